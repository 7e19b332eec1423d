#include "data/connector/file/file_sink.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "columnar/key_group.h"
#include "data/connector/file/part_writer.h"
#include "data/connector/row_text.h"
#include "data/format/csv_rows.h"
#include "plan/connector_options.h"

namespace headrace::data::connector {
namespace {

constexpr std::size_t kMaxQueuedBytes = 8u << 20;

struct FileSinkOptions {
  std::string folder;
  RowFormat format = RowFormat::kString;
  bool csv = false, parquet = false;
  std::string compression;  ///< of Parquet
  format::TimestampText timestamps{};
  PartLimits limits;
};

/// Renders text on the task's thread, writes on its own: the disk may take its time.
class FileSinkWriter final : public SinkWriter {
 public:
  explicit FileSinkWriter(FileSinkOptions options) : options_(std::move(options)) {}
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
    wake_wanted_ = queued_.bytes >= kMaxQueuedBytes;
    return !wake_wanted_;
  }

  Status Write(const columnar::DataBatch& batch) override {
    std::string text, header;
    if (!options_.parquet) HR_RETURN_NOT_OK(options_.csv ? RenderCsv(batch, &header, &text) : RenderLines(batch, &text));
    const std::lock_guard lock(mutex_);
    if (options_.parquet) queued_.batches.push_back(batch);
    if (options_.csv) header_ = std::move(header);
    queued_.bytes += options_.parquet ? static_cast<std::size_t>(batch.size_bytes()) : text.size();
    queued_.rows += batch.num_rows();
    if (queued_.text.empty())
      queued_.text = std::move(text);
    else
      queued_.text += text;
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
  struct Queued {
    std::string text;
    std::vector<columnar::DataBatch> batches;  ///< of Parquet
    std::int64_t rows = 0;
    std::size_t bytes = 0;
  };

  Status RenderLines(const columnar::DataBatch& batch, std::string* text) const {
    HR_ASSIGN_OR_RAISE(const RowTextWriter writer, RowTextWriter::Make(batch, options_.format, options_.timestamps));
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
      HR_RETURN_NOT_OK(writer.Append(row, text));
      *text += '\n';
    }
    return Status::OK();
  }

  Status RenderCsv(const columnar::DataBatch& batch, std::string* header, std::string* text) const {
    HR_ASSIGN_OR_RAISE(auto writer,
                       format::CsvRowWriter::Make(batch.records(), options_.timestamps == format::TimestampText::kMilliseconds));
    writer.AppendHeader(header);
    *header += '\n';
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
      HR_RETURN_NOT_OK(writer.Append(row, text));
      *text += '\n';
    }
    return Status::OK();
  }

  void Run() {
    const std::string owner = PartFiles::OwnerOf(context_->job_id, context_->operator_uid);
    PartWriter parts(std::make_unique<PartFiles>(options_.folder, context_->subtask, owner, options_.parquet ? ".parquet" : ""),
                     options_.limits, options_.compression);
    Status status = parts.Prepare();
    std::unique_lock lock(mutex_);
    while (status.ok()) {
      const auto has_work = [this] { return stopping_ || queued_.rows > 0 || flush_done_ != flush_wanted_; };
      if (parts.open())
        changed_.wait_until(lock, parts.due(), has_work);
      else
        changed_.wait(lock, has_work);
      if (stopping_) return;
      const Queued queued = std::exchange(queued_, {});
      const std::string header = header_;
      const std::uint64_t flush = flush_wanted_;
      const bool wake = std::exchange(wake_wanted_, false);
      lock.unlock();
      if (wake) Wake();
      status = Write(queued, header, &parts);
      const bool roll = flush != flush_done_ || (parts.open() && std::chrono::steady_clock::now() >= parts.due());
      if (status.ok() && roll) status = parts.Publish();
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

  static Status Write(const Queued& queued, const std::string& header, PartWriter* parts) {
    for (const columnar::DataBatch& batch : queued.batches) HR_RETURN_NOT_OK(parts->Write(batch));
    return queued.text.empty() ? Status::OK() : parts->Write(header, queued.text, queued.rows);
  }

  void Wake() {
    if (context_->waker != nullptr) context_->waker->Wake();
  }

  const FileSinkOptions options_;
  const ConnectorContext* context_ = nullptr;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Queued queued_;
  std::string header_;  ///< of CSV: the first line of every file
  mutable bool wake_wanted_ = false;
  std::uint64_t flush_wanted_ = 0, flush_done_ = 0;  ///< flush_done_ changes on the writing thread only
  Status failure_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<SinkWriter>> MakeFileSinkWriter(const plan::ConnectorSpec& spec) {
  FileSinkOptions options;
  const std::string format = plan::OptionString(spec, false, "format");
  options.folder = plan::OptionString(spec, false, "path");
  options.format = format == "json" ? RowFormat::kJson : RowFormat::kString;
  options.csv = format == "csv";
  options.parquet = format == "parquet";
  options.compression = plan::OptionString(spec, false, "compression");
  options.timestamps = TimestampTextOf(plan::OptionString(spec, false, "timestamps"));
  options.limits.bytes = plan::OptionInt(spec, false, "roll_bytes");
  options.limits.rows = plan::OptionInt(spec, false, "roll_rows");
  options.limits.age = std::chrono::milliseconds(plan::OptionInt(spec, false, "roll_after_ms"));
  return std::unique_ptr<SinkWriter>(std::make_unique<FileSinkWriter>(std::move(options)));
}

}  // namespace headrace::data::connector
