#pragma once
#include <arrow/array.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "columnar/value_column.h"
#include "data/task/task_parts.h"

namespace headrace::data::task {

/// Gives out lines in batches of random sizes, sometimes nothing for a while; then ends (unless endless).
class FakeSource final : public connector::SourceReader {
 public:
  FakeSource(std::vector<std::string> lines, Random* random, bool endless = false)
      : lines_(std::move(lines)), random_(random), endless_(endless) {}
  Status Open(const connector::ConnectorContext& context) override {
    waker_ = context.waker;
    // Each subtask reads its share.
    std::vector<std::string> own;
    for (std::size_t i = context.subtask; i < lines_.size(); i += context.parallelism) own.push_back(lines_[i]);
    lines_ = std::move(own);
    return Status::OK();
  }
  Status AddSplits(const std::vector<plan::SourceSplit>&) override { return Status::OK(); }
  void NoMoreSplits() override {}
  Result<connector::SourcePoll> Poll() override {
    using Kind = connector::SourcePoll::Kind;
    if (at_ == lines_.size()) return connector::SourcePoll{endless_ ? Kind::kNothingYet : Kind::kEnd, {}};
    if (random_->Uniform(4) == 0) {
      waker_->Wake();
      return connector::SourcePoll{};
    }
    columnar::ValueBatchBuilder builder(columnar::ValueForm::kUtf8);
    for (std::uint64_t i = random_->Uniform(7); i > 0 && at_ < lines_.size(); --i) HR_RETURN_NOT_OK(builder.AppendBytes(lines_[at_++]));
    HR_ASSIGN_OR_RAISE(auto batch, builder.Finish());
    return connector::SourcePoll{Kind::kBatch, std::move(batch)};
  }
  std::vector<plan::SourceSplit> Positions() const override { return {}; }
  void RequestStop() override {}

 private:
  std::vector<std::string> lines_;
  Random* random_;
  bool endless_;
  Waker* waker_ = nullptr;
  std::size_t at_ = 0;
};

/// What sinks of a test have written, and whether it was acknowledged in time.
struct FakeSinkLog {
  std::map<std::string, std::int64_t> last;  ///< by key text: the last count
  std::int64_t rows = 0, unflushed = 0;
  bool order_ok = true;
};

/// Remembers the last count of every key; takes now and then nothing; acknowledges a flush only when polled a few times.
class FakeSink final : public connector::SinkWriter {
 public:
  FakeSink(FakeSinkLog* log, Random* random) : log_(log), random_(random) {}
  Status Open(const connector::ConnectorContext& context) override {
    waker_ = context.waker;
    return Status::OK();
  }
  bool writable() const override { return writable_; }
  Status Write(const columnar::DataBatch& batch) override {
    const auto& keys = static_cast<const arrow::LargeBinaryArray&>(*batch.records()->column(batch.key_column()));
    const auto& counts = static_cast<const arrow::Int64Array&>(*batch.records()->column(batch.value_column()));
    for (std::int64_t i = 0; i < batch.num_rows(); ++i) {
      auto& last = log_->last[std::string(keys.GetView(i))];
      // Running results come one by one, in order: anything else is a lost, doubled or overtaken row.
      if (counts.Value(i) != last + 1) log_->order_ok = false;
      last = counts.Value(i);
    }
    log_->rows += batch.num_rows();
    log_->unflushed += batch.num_rows();
    return Status::OK();
  }
  void RequestFlush() override {
    flushing_ = 3;
    waker_->Wake();
  }
  bool flushed() const override { return flushing_ == 0; }
  Status Poll() override {
    writable_ = random_->Uniform(3) != 0;
    if (!writable_) waker_->Wake();
    if (flushing_ > 0 && --flushing_ == 0) log_->unflushed = 0;
    if (flushing_ > 0) waker_->Wake();
    return Status::OK();
  }
  void RequestStop() override {}

 private:
  FakeSinkLog* log_;
  Random* random_;
  Waker* waker_ = nullptr;
  int flushing_ = 0;
  bool writable_ = true;
};

}  // namespace headrace::data::task
