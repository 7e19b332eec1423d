#include "data/connector/file/file_source.h"

#include <fmt/format.h>

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
#include "data/connector/split_set.h"
#include "data/format/json_value.h"
#include "plan/connector_options.h"
#include "plan/source_splits.h"

namespace headrace::data::connector {
namespace {

constexpr std::int64_t kBatchRows = 4096;
constexpr std::int64_t kBatchBytes = 256 << 10;
constexpr std::size_t kQueuedBatches = 16;
constexpr std::int64_t kQueuedBytes = 4 << 20;

using FileSplits = SplitSet<plan::FileSplit, &plan::FileSplit::position>;

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
  void Add(std::vector<FileSplits::Added> splits) {
    const std::lock_guard lock(mutex_);
    for (FileSplits::Added& split : splits) waiting_.push_back(std::move(split));
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
      FileSplits::Added next;
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

  Status ReadFile(const FileSplits::Added& file) {
    HR_ASSIGN_OR_RAISE(LineReader lines, LineReader::Open(file.split.path, file.split.position));
    std::string_view line;
    while (!stopping_) {
      const std::int64_t line_start = lines.position();
      HR_ASSIGN_OR_RAISE(const LineReader::Found found, lines.Next(&line));
      if (found == LineReader::Found::kUnfinished) continue;
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
    if (item.batch) item.runs = {{progress.split, item.batch.num_rows()}};
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
  std::deque<FileSplits::Added> waiting_;
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
    HR_ASSIGN_OR_RAISE(auto added, splits_.Add(splits));
    if (added.empty()) return Status::OK();
    if (thread_ == nullptr) thread_ = std::make_unique<FileThread>(json_, skip_bad_, *context_, &queue_);
    thread_->Add(std::move(added));
    return Status::OK();
  }

  void NoMoreSplits() override { splits_.NoMore(); }

  Result<SourcePoll> Poll() override {
    HR_ASSIGN_OR_RAISE(SourcePoll poll, splits_.Take(&queue_, [](const auto&) {}));
    if (!poll.batch && splits_.ended()) poll.kind = SourcePoll::Kind::kEnd;
    return poll;
  }
  bool tells_splits() const override { return true; }

  std::vector<plan::SourceSplit> Positions() const override { return splits_.Positions(); }

  void RequestStop() override {
    if (thread_ != nullptr) thread_->RequestStop();
  }

 private:
  const bool json_, skip_bad_;
  const ConnectorContext* context_ = nullptr;
  FileSplits splits_;
  ReadQueue queue_;
  std::unique_ptr<FileThread> thread_;  // after the queue: it uses it
};

}  // namespace

Result<std::unique_ptr<SourceReader>> MakeFileSourceReader(const plan::ConnectorSpec& spec) {
  return std::unique_ptr<SourceReader>(std::make_unique<FileSourceReader>(plan::OptionString(spec, true, "format") == "json",
                                                                          plan::OptionString(spec, true, "on_error") == "skip"));
}

}  // namespace headrace::data::connector
