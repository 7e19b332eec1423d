#include "data/connector/file/file_sink.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "columnar/key_group.h"
#include "data/connector/file/part_files.h"
#include "data/connector/row_text.h"
#include "data/format/csv_rows.h"
#include "plan/connector_options.h"

namespace headrace::data::connector {
namespace {

constexpr std::int64_t kRollBytes = 64 << 20;
constexpr std::chrono::seconds kRollAge{10};
constexpr std::size_t kMaxQueuedBytes = 8u << 20;

/// Renders on the task's thread, writes on its own: the disk may take its time.
class FileSinkWriter final : public SinkWriter {
 public:
  FileSinkWriter(std::string folder, RowFormat format, bool csv, format::TimestampText timestamps)
      : folder_(std::move(folder)), format_(format), csv_(csv), timestamps_(timestamps) {}
  ~FileSinkWriter() override {
    RequestStop();
    if (thread_.joinable()) thread_.join();
  }

  Status Open(const ConnectorContext& context) override {
    context_ = &context;
    thread_ = std::thread([this] { Run(); });
    return Status::OK();
  }

  bool writable() const override {
    const std::lock_guard lock(mutex_);
    wake_wanted_ = queued_.size() >= kMaxQueuedBytes;
    return !wake_wanted_;
  }

  Status Write(const columnar::DataBatch& batch) override {
    std::string text, header;
    HR_RETURN_NOT_OK(csv_ ? RenderCsv(batch, &header, &text) : RenderLines(batch, &text));
    const std::lock_guard lock(mutex_);
    if (csv_) header_ = std::move(header);
    if (queued_.empty())
      queued_ = std::move(text);
    else
      queued_ += text;
    changed_.notify_one();
    return Status::OK();
  }

  void RequestFlush() override {
    const std::lock_guard lock(mutex_);
    ++flush_wanted_;
    changed_.notify_one();
  }

  bool flushed() const override {
    const std::lock_guard lock(mutex_);
    return flush_done_ == flush_wanted_;
  }

  Status Poll() override {
    const std::lock_guard lock(mutex_);
    return failure_.ok() ? failure_
                         : WithContext(failure_, fmt::format("sink \"{}\" (uid {})", context_->operator_name, context_->operator_uid));
  }

  void RequestStop() override {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }

 private:
  Status RenderLines(const columnar::DataBatch& batch, std::string* text) const {
    HR_ASSIGN_OR_RAISE(const RowTextWriter writer, RowTextWriter::Make(batch, format_, timestamps_));
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
      HR_RETURN_NOT_OK(writer.Append(row, text));
      *text += '\n';
    }
    return Status::OK();
  }

  Status RenderCsv(const columnar::DataBatch& batch, std::string* header, std::string* text) const {
    HR_ASSIGN_OR_RAISE(auto writer, format::CsvRowWriter::Make(batch.records(), timestamps_ == format::TimestampText::kMilliseconds));
    writer.AppendHeader(header);
    *header += '\n';
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
      HR_RETURN_NOT_OK(writer.Append(row, text));
      *text += '\n';
    }
    return Status::OK();
  }

  void Run() {
    // Two sinks of one job may write to one folder.
    PartFiles files(folder_, context_->subtask, fmt::format("{:.8}-{:016x}", context_->job_id, columnar::HashKey(context_->operator_uid)));
    Status status = files.Prepare();
    std::chrono::steady_clock::time_point opened_at{};
    std::unique_lock lock(mutex_);
    while (status.ok()) {
      const auto has_work = [this] { return stopping_ || !queued_.empty() || flush_done_ != flush_wanted_; };
      if (files.open_bytes() > 0)
        changed_.wait_until(lock, opened_at + kRollAge, has_work);
      else
        changed_.wait(lock, has_work);
      if (stopping_) return;
      std::string text = std::exchange(queued_, {});
      if (!header_.empty() && files.open_bytes() == 0 && !text.empty()) text.insert(0, header_);
      const std::uint64_t flush = flush_wanted_;
      const bool wake = std::exchange(wake_wanted_, false);
      lock.unlock();
      if (wake) Wake();
      if (!text.empty()) {
        if (files.open_bytes() == 0) opened_at = std::chrono::steady_clock::now();
        status = files.Write(text);
      }
      const bool roll = flush != flush_done_ || files.open_bytes() >= kRollBytes ||
                        (files.open_bytes() > 0 && std::chrono::steady_clock::now() >= opened_at + kRollAge);
      if (status.ok() && roll) status = files.Publish();
      lock.lock();
      if (status.ok() && flush != flush_done_) {
        flush_done_ = flush;
        lock.unlock();
        Wake();
        lock.lock();
      }
    }
    failure_ = status;
    lock.unlock();
    Wake();
  }

  void Wake() {
    if (context_->waker != nullptr) context_->waker->Wake();
  }

  const std::string folder_;
  const RowFormat format_;
  const bool csv_;
  const format::TimestampText timestamps_;
  const ConnectorContext* context_ = nullptr;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string queued_;
  std::string header_;  ///< of CSV: the first line of every file
  mutable bool wake_wanted_ = false;
  std::uint64_t flush_wanted_ = 0, flush_done_ = 0;  ///< flush_done_ changes on the writing thread only
  Status failure_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<SinkWriter>> MakeFileSinkWriter(const plan::ConnectorSpec& spec) {
  const std::string format = plan::OptionString(spec, false, "format");
  return std::unique_ptr<SinkWriter>(
      std::make_unique<FileSinkWriter>(plan::OptionString(spec, false, "path"), format == "json" ? RowFormat::kJson : RowFormat::kString,
                                       format == "csv", TimestampTextOf(plan::OptionString(spec, false, "timestamps"))));
}

}  // namespace headrace::data::connector
