#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/connector/source.h"
#include "data/expression/evaluator.h"
#include "data/operator/operator.h"
#include "data/time/watermark_alignment.h"
#include "data/time/watermark_merger.h"
#include "plan/relational.h"

namespace headrace::data::op {

/// Gives rows their event time and emits watermarks. Bounded and monotonous strategies: the newest time seen less the bound, less
/// 1 ms, behind the last row of a batch, so that rows within the bound are never late however the input is cut; at once when no rows
/// wait behind it, else a few ms apart, because every watermark cuts the pieces of a shuffle short. Punctuated: a
/// value of the row stands as a watermark right behind it; batches are cut there. Custom: whoever stands around this operator gives them
/// with the rows (ProcessMarked()). Watermarks of the input end here.
/// Right behind a source the watermark is kept for each split and the least of them counts (FollowSplits(); see
/// time::WatermarkMerger for idle and ended ones); elsewhere all rows of the subtask are one split. An input that is idle makes the
/// output idle until it has rows.
/// Shape:  in batches of any rows; out the same rows with the event-time column. A row whose timestamp is null fails with
/// kExpressionFailed. Thread: owning task's.
class EventTimeOperator final : public Operator {
 public:
  /// `input` null: untyped rows, which need a connector that gives event times.
  static Result<std::unique_ptr<EventTimeOperator>> Make(const plan::EventTimeSpec& spec, const std::shared_ptr<arrow::Schema>& input);
  Status Open(const OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, Collector* out) override;
  Status Poll(Collector* out) override;
  bool passes_watermarks() const override { return false; }
  Status OnWatermarkStatus(const columnar::WatermarkStatus& status, Collector* out) override;
  MonotonicTime next_poll() const override;
  Status Flush(Collector* out) override { return EmitNow(out); }
  Status Finish(Collector* out) override;

  /// From its task, when it is the first operator behind a source that tells its splits; before Open().
  void FollowSplits() { merger_ = time::WatermarkMerger(), follows_splits_ = true; }
  /// As FollowSplits(), behind any source: keeps to the strategy's alignment group.
  void Align() { aligns_ = !group_.empty(); }
  /// As FollowSplits(), behind a source that can pause single splits: those that are ahead of the group wait alone.
  void PauseSplits() { pauses_splits_ = aligns_ && follows_splits_; }
  /// Which splits are to wait, by number, when that has changed since the last call.
  std::optional<std::vector<bool>> TakePaused();
  /// The subtask is ahead of the slowest one of its group by more than the drift: its source is not read. Tells anew after Poll().
  bool paused() const { return paused_; }
  /// Splits are numbered in the order in which they are added, as the source numbers them.
  void AddSplit(std::string id);
  std::size_t num_splits() const { return splits_.size(); }
  /// What a poll of the source said of its splits, before its batch is processed. The batch may come in pieces.
  void NoteSplits(connector::SplitNews news) { news_.push_back({std::move(news)}); }

  /// For whoever says custom watermarks: rows take their times, wait there, and come back in order with what was said.
  struct Mark {
    std::uint32_t split;
    std::int64_t watermark_ms;
  };
  Result<columnar::DataBatch> WithTimes(columnar::DataBatch batch);
  /// The splits of `rows` rows behind the next `skipped` ones.
  std::vector<connector::SplitRun> Upcoming(std::int64_t skipped, std::int64_t rows) const;
  /// Those that are neither idle nor ended, as runs without rows.
  std::vector<connector::SplitRun> LiveSplits() const;
  /// Rows with their times; the marks stand behind them.
  Status ProcessMarked(columnar::DataBatch batch, const std::vector<Mark>& marks, Collector* out);
  Status TakeMarks(const std::vector<Mark>& marks, Collector* out);
  /// Rows wait elsewhere: their splits are not quiet.
  void RowsAreAhead() {
    if (!follows_splits_) splits_[0].quiet = Duration::zero();
  }

 private:
  struct Split {
    std::string id;
    std::int64_t newest_ms = time::kNoWatermark;
    Duration quiet{};  // without rows, as far as the operator could have taken some
    bool paused = false;
  };
  struct News {
    connector::SplitNews splits;
    std::size_t runs_taken = 0;
  };
  explicit EventTimeOperator(const plan::EventTimeSpec& spec);
  void TakeNews();
  /// The splits of the batch, which are awake now.
  Result<std::vector<connector::SplitRun>> Begin(const columnar::DataBatch& batch, Collector* out);
  /// Behind a batch.
  Status End(Collector* out);
  /// The splits of the rows of the next batch.
  std::vector<connector::SplitRun> TakeRuns(std::int64_t rows);
  Status EmitByTimes(const std::vector<connector::SplitRun>& runs, columnar::DataBatch batch, Collector* out);
  Status EmitByMarks(const std::vector<connector::SplitRun>& runs, const columnar::DataBatch& batch, Collector* out);
  Status EmitChange(const time::WatermarkMerger::Change& change, Collector* out);
  /// Emits what has changed since the last time.
  Status EmitNow(Collector* out);
  /// Whether a watermark from times may leave now.
  bool due() const;
  void ShowHolder();
  /// Tells the group how far this subtask has come, and looks whether it is ahead.
  void LookAtGroup();
  void PauseThoseAhead(std::int64_t least);
  void WarnOfUnits(const std::int64_t* times, std::int64_t rows);

  const plan::EventTimeSpec::Strategy strategy_;
  const std::int64_t bound_ms_;
  const Duration idle_after_;
  const bool has_timestamp_;
  const std::string group_;
  const std::int64_t max_drift_ms_;
  std::unique_ptr<expression::Evaluator> evaluator_;  // null: the rows bring their times, and no marks
  std::shared_ptr<arrow::Array> marks_;               // of the batch in hand: watermarks behind its rows
  const Clock* clock_ = nullptr;
  std::string job_;
  bool follows_splits_ = false, warned_ = false;
  bool fed_ = false;       // rows came since the last Poll()
  bool deferred_ = false;  // there may be a change that was not due
  MonotonicTime emitted_at_{};
  Duration spacing_{};
  std::vector<Split> splits_;
  std::deque<News> news_;
  time::WatermarkMerger merger_;
  bool aligns_ = false, paused_ = false, pauses_splits_ = false, paused_changed_ = false, some_paused_ = false;
  time::WatermarkAlignment* alignment_ = nullptr;
  std::shared_ptr<time::WatermarkAlignment::Member> member_;
  time::EventTimeProgress* progress_ = nullptr;
  std::optional<std::size_t> holder_;
  std::int64_t held_since_wall_ms_ = 0;
  MonotonicTime polled_at_{};
};

}  // namespace headrace::data::op
