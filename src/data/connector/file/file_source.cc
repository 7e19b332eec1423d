#include "data/connector/file/file_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "columnar/value_column.h"
#include "data/connector/bad_record.h"
#include "data/connector/file/line_reader.h"
#include "data/connector/read_queue.h"
#include "data/format/json_value.h"
#include "plan/connector_options.h"
#include "plan/source_splits.h"

namespace headrace::data::connector {
namespace {

constexpr std::int64_t kBatchRows = 4096;
constexpr std::int64_t kBatchBytes = 256 << 10;
constexpr std::size_t kQueuedBatches = 16;
constexpr std::int64_t kQueuedBytes = 4 << 20;

struct IndexedSplit {
  std::uint32_t index;
  plan::FileSplit split;
};

/// Reads files one after the other on its own thread into the queue. Owned by its reader.
class FileThread {
 public:
  FileThread(bool json, bool skip_bad, const ConnectorContext& context, ReadQueue* queue)
      : json_format_(json),
        bad_records_(skip_bad, context),
        queue_(queue),
        builder_(json ? columnar::ValueForm::kEncoded : columnar::ValueForm::kUtf8),
        thread_([this] { Run(); }) {}
  ~FileThread() {
    RequestStop();
    thread_.join();
  }
  void Add(std::vector<IndexedSplit> splits) {
    const std::lock_guard lock(mutex_);
    for (IndexedSplit& split : splits) waiting_.push_back(std::move(split));
    changed_.notify_one();
  }
  void RequestStop() {
    queue_->Close();
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }

 private:
  void Run() {
    while (true) {
      IndexedSplit next;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (stopping_) return;
        next = std::move(waiting_.front());
        waiting_.pop_front();
      }
      const Status status = ReadFile(next);
      if (!status.ok()) return queue_->Fail(status);
    }
  }

  Status ReadFile(const IndexedSplit& file) {
    HR_ASSIGN_OR_RAISE(LineReader lines, LineReader::Open(file.split.path, file.split.position));
    while (!stopping_) {
      const std::int64_t line_start = lines.position();
      std::string_view line;
      HR_ASSIGN_OR_RAISE(const LineReader::Found found, lines.Next(&line));
      if (found == LineReader::Found::kEnd) return Close({file.index, lines.position(), true});
      std::string why;
      if (found == LineReader::Found::kTooLong)
        why = fmt::format("the line is longer than {} bytes", LineReader::kMaxLineBytes);
      else
        HR_RETURN_NOT_OK(Append(line, &why));
      if (!why.empty()) HR_RETURN_NOT_OK(bad_records_.Handle(fmt::format("file \"{}\", byte {}", file.split.path, line_start), why, line));
      if (builder_.num_rows() >= kBatchRows || builder_.size_bytes() >= kBatchBytes)
        HR_RETURN_NOT_OK(Close({file.index, lines.position(), false}));
    }
    return Status::OK();
  }

  /// `why` says what is wrong with the line, if anything.
  Status Append(std::string_view line, std::string* why) {
    if (!json_format_) {
      const Status appended = builder_.AppendBytes(line);
      if (appended.ok() || !appended.IsInvalid()) return appended;
      *why = appended.message();
      return Status::OK();
    }
    if (line.find_first_not_of(" \t") == std::string_view::npos) return Status::OK();
    scratch_.clear();
    const Status parsed = json_.Append(line, &scratch_);
    if (parsed.ok()) return builder_.AppendBytes(scratch_);
    *why = parsed.message();
    return Status::OK();
  }

  Status Close(SplitProgress progress) {
    ReadItem item;
    if (builder_.num_rows() > 0) {
      HR_ASSIGN_OR_RAISE(item.batch, builder_.Finish());
    }
    item.progress.push_back(progress);
    if (queue_->WaitForRoom()) queue_->Push(std::move(item));
    return Status::OK();
  }

  const bool json_format_;
  BadRecordPolicy bad_records_;
  ReadQueue* const queue_;
  columnar::ValueBatchBuilder builder_;
  format::JsonValueReader json_;
  std::string scratch_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<IndexedSplit> waiting_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

class FileSourceReader final : public SourceReader {
 public:
  FileSourceReader(bool json, bool skip_bad) : json_(json), skip_bad_(skip_bad), queue_(kQueuedBatches, kQueuedBytes) {}
  ~FileSourceReader() override { RequestStop(); }

  Status Open(const ConnectorContext& context) override {
    context_ = &context;
    queue_.set_waker(context.waker);
    return Status::OK();
  }

  Status AddSplits(const std::vector<plan::SourceSplit>& splits) override {
    std::vector<IndexedSplit> added;
    for (const plan::SourceSplit& split : splits) {
      HR_ASSIGN_OR_RAISE(plan::FileSplit parsed, plan::FileSplit::FromPayload(split.payload));
      if (std::any_of(splits_.begin(), splits_.end(), [&](const State& s) { return s.id == split.id; })) continue;
      added.push_back({static_cast<std::uint32_t>(splits_.size()), parsed});
      splits_.push_back({split.id, std::move(parsed), false});
    }
    if (added.empty()) return Status::OK();
    if (thread_ == nullptr) thread_ = std::make_unique<FileThread>(json_, skip_bad_, *context_, &queue_);
    open_splits_ += added.size();
    thread_->Add(std::move(added));
    return Status::OK();
  }

  void NoMoreSplits() override { no_more_splits_ = true; }

  Result<SourcePoll> Poll() override {
    ReadItem item;
    while (true) {
      HR_ASSIGN_OR_RAISE(const bool found, queue_.Pop(&item));
      if (!found) break;
      for (const SplitProgress& progress : item.progress) {
        State& state = splits_[progress.split];
        state.split.position = progress.position;
        if (progress.ended && !std::exchange(state.ended, true)) --open_splits_;
      }
      if (item.batch) return SourcePoll{SourcePoll::Kind::kBatch, std::move(item.batch)};
    }
    return SourcePoll{no_more_splits_ && open_splits_ == 0 ? SourcePoll::Kind::kEnd : SourcePoll::Kind::kNothingYet, {}};
  }

  std::vector<plan::SourceSplit> Positions() const override {
    std::vector<plan::SourceSplit> positions;
    for (const State& state : splits_) positions.push_back({state.id, state.split.ToPayload()});
    return positions;
  }

  void RequestStop() override {
    if (thread_ != nullptr) thread_->RequestStop();
  }

 private:
  struct State {
    std::string id;
    plan::FileSplit split;
    bool ended;
  };

  const bool json_, skip_bad_;
  const ConnectorContext* context_ = nullptr;
  std::vector<State> splits_;
  std::size_t open_splits_ = 0;
  bool no_more_splits_ = false;
  ReadQueue queue_;
  std::unique_ptr<FileThread> thread_;  // after the queue: it uses it
};

}  // namespace

Result<std::unique_ptr<SourceReader>> MakeFileSourceReader(const plan::ConnectorSpec& spec) {
  return std::unique_ptr<SourceReader>(std::make_unique<FileSourceReader>(plan::OptionString(spec, true, "format") == "json",
                                                                          plan::OptionString(spec, true, "on_error") == "skip"));
}

}  // namespace headrace::data::connector
