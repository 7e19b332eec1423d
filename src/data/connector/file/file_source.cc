#include "data/connector/file/file_source.h"

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "data/connector/bad_record.h"
#include "data/connector/file/dead_letter_files.h"
#include "data/connector/file/delimited_reader.h"
#include "data/connector/file/line_reader.h"
#include "data/connector/read_queue.h"
#include "data/connector/registry_options.h"
#include "data/connector/split_set.h"
#include "data/format/avro_file.h"
#include "data/format/parquet_rows.h"
#include "data/format/record_decoder.h"
#include "plan/connector_options.h"
#include "plan/format_options.h"
#include "plan/source_splits.h"

namespace headrace::data::connector {
namespace {

constexpr std::size_t kQueuedBatches = 16;
constexpr std::int64_t kQueuedBytes = 4 << 20;
constexpr std::chrono::milliseconds kRegistryRetry{500};

using FileSplits = SplitSet<plan::FileSplit, &plan::FileSplit::position>;

struct FileOptions {
  format::RecordDecoderOptions decoder;
  enum class Layout { kLines, kDelimited, kParquet, kAvroFile } layout = Layout::kLines;
  bool skip_bad = false;
  std::string dead_letters;  ///< folder that takes the records that cannot be decoded; empty = none
  bool csv_header = true;
  std::vector<std::string> csv_columns;  ///< of files without a header
};

/// Reads files one after the other on its own thread into the queue. Owned by its reader.
class FileThread {
 public:
  FileThread(const FileOptions& options, std::unique_ptr<format::RecordDecoder> rows, const ConnectorContext& context, ReadQueue* queue)
      : options_(options),
        context_(context),
        bad_records_(options.skip_bad || !options.dead_letters.empty(), context),
        queue_(queue),
        rows_(std::move(rows)) {
    if (!options.dead_letters.empty()) dead_letters_.emplace(options.dead_letters, context);
    thread_ = std::thread([this] { Run(); });
  }
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

  /// Positions of a Parquet file count the rows of the split.
  Status ReadParquet(const FileSplits::Added& file) {
    const plan::FileSplit& split = file.split;
    HR_ASSIGN_OR_RAISE(const auto rows,
                       format::ParquetRows::Open(split.path, split.begin, split.end, split.position, options_.decoder.schema));
    for (std::int64_t position = split.position; !stopping_;) {
      ReadItem item;
      HR_ASSIGN_OR_RAISE(auto batch, rows->Next());
      if (batch != nullptr) {
        position += batch->num_rows();
        item.batch = columnar::DataBatch(batch);
      }
      HR_RETURN_NOT_OK(Push(std::move(item), {file.index, position, batch == nullptr}));
      if (batch == nullptr) break;
    }
    return Status::OK();
  }

  /// Positions of an Avro file are bytes behind whole blocks.
  Status ReadAvroFile(const FileSplits::Added& file) {
    const plan::FileSplit& split = file.split;
    HR_ASSIGN_OR_RAISE(const auto rows, format::AvroFileRows::Open(split.path, split.position, options_.decoder.schema));
    const auto on_bad = [&](std::int64_t where, const std::string& why, std::string_view bytes) {
      return Refuse({split.path, where}, why, &bytes);
    };
    while (!stopping_) {
      HR_ASSIGN_OR_RAISE(const auto batch, rows->Next(on_bad));
      ReadItem item;
      if (batch != nullptr) item.batch = columnar::DataBatch(batch);
      HR_RETURN_NOT_OK(Push(std::move(item), {file.index, rows->position(), batch == nullptr}));
      if (batch == nullptr) break;
    }
    return Status::OK();
  }

  Status ReadFile(const FileSplits::Added& file) {
    switch (options_.layout) {
      case FileOptions::Layout::kParquet:
        return ReadParquet(file);
      case FileOptions::Layout::kAvroFile:
        return ReadAvroFile(file);
      case FileOptions::Layout::kDelimited:
        return ReadDelimited(file);
      default:
        return ReadLines(file);
    }
  }

  Status ReadLines(const FileSplits::Added& file) {
    HR_ASSIGN_OR_RAISE(LineReader lines, LineReader::Open(file.split.path, file.split.position));
    if (csv()) HR_RETURN_NOT_OK(ReadHeader(file.split, &lines));
    while (!stopping_) {
      const Place place{file.split.path, lines.position()};
      std::string_view record;
      HR_ASSIGN_OR_RAISE(const LineReader::Found found, NextRecord(&lines, &record));
      if (found == LineReader::Found::kUnfinished) continue;
      if (found == LineReader::Found::kEnd) return Close({file.index, lines.position(), true});
      if (found == LineReader::Found::kTooLong)
        HR_RETURN_NOT_OK(Refuse(place, fmt::format("the line is longer than {} bytes", LineReader::kMaxLineBytes), nullptr, record));
      else if (options_.decoder.format == format::RecordFormat::kText || record.find_first_not_of(" \t") != std::string_view::npos)
        HR_RETURN_NOT_OK(Append(place, record));
      if (rows_->full()) HR_RETURN_NOT_OK(Close({file.index, lines.position(), false}));
    }
    return Status::OK();
  }

  Status ReadDelimited(const FileSplits::Added& file) {
    HR_ASSIGN_OR_RAISE(DelimitedReader records, DelimitedReader::Open(file.split.path, file.split.position));
    while (!stopping_) {
      const Place place{file.split.path, records.position()};
      std::string_view record;
      HR_ASSIGN_OR_RAISE(const DelimitedReader::Found found, records.Next(&record));
      if (found == DelimitedReader::Found::kEnd) return Close({file.index, records.position(), true});
      if (found == DelimitedReader::Found::kBroken)
        HR_RETURN_NOT_OK(Refuse(place, "the length before a record is none, over 64 MiB or beyond the end of the file", &record));
      else
        HR_RETURN_NOT_OK(Append(place, record));
      if (rows_->full()) HR_RETURN_NOT_OK(Close({file.index, records.position(), false}));
    }
    return Status::OK();
  }

  bool csv() const { return options_.decoder.format == format::RecordFormat::kCsv; }

  /// The columns of a CSV file, from its first line or from the job. `lines` moves behind the header when it stands at the beginning.
  Status ReadHeader(const plan::FileSplit& split, LineReader* lines) {
    std::vector<std::string> names = options_.csv_columns;
    if (options_.csv_header) {
      std::optional<LineReader> first;
      if (split.position > 0) {
        HR_ASSIGN_OR_RAISE(LineReader opened, LineReader::Open(split.path, 0));
        first.emplace(std::move(opened));
      }
      std::string_view record;
      HR_ASSIGN_OR_RAISE(const LineReader::Found found, NextRecord(first ? &*first : lines, &record));
      if (found != LineReader::Found::kLine) return Status::OK();  // an empty file has no rows either
      if (record.starts_with("\xEF\xBB\xBF")) record.remove_prefix(3);
      HR_ASSIGN_OR_RAISE(names, format::CsvFields(record, options_.decoder.csv.delimiter));
    }
    const Status status = rows_->SetColumns(names);
    return status.ok() ? status : Error(ErrorCode::kBadRecord, fmt::format("file \"{}\": {}", split.path, status.message()));
  }

  /// A line; of CSV as many as quotes hold together. Valid until the next call.
  Result<LineReader::Found> NextRecord(LineReader* lines, std::string_view* record) {
    HR_ASSIGN_OR_RAISE(LineReader::Found found, lines->Next(record));
    if (!csv() || found != LineReader::Found::kLine || !format::CsvGoesOn(*record)) return found;
    record_.assign(*record);
    while (format::CsvGoesOn(record_) && !stopping_) {
      std::string_view line;
      HR_ASSIGN_OR_RAISE(found, lines->Next(&line));
      if (found == LineReader::Found::kUnfinished) continue;
      if (found == LineReader::Found::kEnd) break;  // the decoder says that a quote is open
      if (found == LineReader::Found::kTooLong || record_.size() + line.size() > LineReader::kMaxLineBytes)
        return LineReader::Found::kTooLong;
      record_.append("\n").append(line);
    }
    *record = record_;
    return LineReader::Found::kLine;
  }

  /// Where a record stands.
  struct Place {
    const std::string& file;
    std::int64_t byte;
  };

  Status Append(const Place& place, std::string_view record) {
    while (true) {
      const Status appended = rows_->Append(record);
      if (appended.ok()) return appended;
      // An error with a code is not the record's: the registry refuses us, say.
      if (appended.IsInvalid() && appended.detail() == nullptr) return Refuse(place, appended.message(), &record);
      if (WhoActsOn(appended) != WhoActs::kTransient) return appended;
      // A schema registry that is away is asked again.
      HR_RETURN_NOT_OK(AwaitRegistry(appended.message()));
      if (stopping_) return Status::OK();
    }
  }

  Status AwaitRegistry(const std::string& why) {
    if (context_.on_waiting) context_.on_waiting(why);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kRegistryRetry, [this] { return stopping_.load(); });
    lock.unlock();
    if (context_.on_waiting) context_.on_waiting("");
    return Status::OK();
  }

  /// A record that cannot be decoded. `whole`: its bytes, null when only `part` of them is known.
  Status Refuse(const Place& place, const std::string& why, const std::string_view* whole, std::string_view part = {}) {
    if (dead_letters_) HR_RETURN_NOT_OK(dead_letters_->Write(place.file, place.byte, why, whole));
    return bad_records_.Handle(fmt::format("file \"{}\", byte {}", place.file, place.byte), why, whole != nullptr ? *whole : part);
  }

  Status Close(SplitProgress progress) {
    ReadItem item;
    if (rows_->num_rows() > 0) {
      HR_ASSIGN_OR_RAISE(item.batch, rows_->Finish());
    }
    return Push(std::move(item), progress);
  }

  /// The end of a file counts only once the records of it that were refused are safe.
  Status Push(ReadItem item, SplitProgress progress) {
    if (dead_letters_) HR_RETURN_NOT_OK(dead_letters_->Publish(progress.ended));
    if (item.batch) item.runs = {{progress.split, item.batch.num_rows()}};
    item.progress.push_back(progress);
    if (queue_->WaitForRoom()) queue_->Push(std::move(item));
    return Status::OK();
  }

  const FileOptions& options_;
  const ConnectorContext& context_;
  BadRecordPolicy bad_records_;
  std::optional<DeadLetterFiles> dead_letters_;
  ReadQueue* const queue_;
  std::unique_ptr<format::RecordDecoder> rows_;
  std::string record_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<FileSplits::Added> waiting_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

class FileSourceReader final : public SourceReader {
 public:
  explicit FileSourceReader(FileOptions options) : options_(std::move(options)), queue_(kQueuedBatches, kQueuedBytes) {}
  ~FileSourceReader() override { RequestStop(); }

  Status Open(const ConnectorContext& context) override {
    context_ = &context;
    queue_.set_waker(context.waker);
    return Status::OK();
  }

  Status AddSplits(const std::vector<plan::SourceSplit>& splits) override {
    HR_ASSIGN_OR_RAISE(auto added, splits_.Add(splits));
    if (added.empty()) return Status::OK();
    if (thread_ == nullptr) {
      std::unique_ptr<format::RecordDecoder> rows;
      if (options_.layout == FileOptions::Layout::kLines || options_.layout == FileOptions::Layout::kDelimited) {
        HR_ASSIGN_OR_RAISE(rows, format::RecordDecoder::Make(options_.decoder));
      }
      thread_ = std::make_unique<FileThread>(options_, std::move(rows), *context_, &queue_);
    }
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
  const FileOptions options_;
  const ConnectorContext* context_ = nullptr;
  FileSplits splits_;
  ReadQueue queue_;
  std::unique_ptr<FileThread> thread_;  // after the queue: it uses it
};

FileOptions::Layout LayoutOf(const plan::ConnectorSpec& spec, std::string_view format) {
  using Layout = FileOptions::Layout;
  if (format == "parquet") return Layout::kParquet;
  const bool own_schema = spec.options.contains("schema_registry") || spec.options.contains("schema");
  if (format == "avro" && !own_schema) return Layout::kAvroFile;
  return plan::HasSchema(format) ? Layout::kDelimited : Layout::kLines;
}

}  // namespace

Result<std::unique_ptr<SourceReader>> MakeFileSourceReader(const plan::ConnectorSpec& spec) {
  FileOptions options;
  const std::string format = plan::OptionString(spec, true, "format");
  options.decoder.format = format::RecordFormatOf(format);
  options.layout = LayoutOf(spec, format);
  options.decoder.registry = RegistryAccessOf(spec, true);
  options.decoder.writer_schema = plan::OptionString(spec, true, "schema");
  options.decoder.message = plan::OptionString(spec, true, "message");
  options.decoder.schema = spec.schema;
  options.decoder.csv.delimiter = plan::OptionString(spec, true, "csv_delimiter")[0];
  options.decoder.csv.null_text = plan::OptionString(spec, true, "csv_null");
  options.csv_header = plan::OptionBool(spec, true, "csv_header");
  HR_ASSIGN_OR_RAISE(options.csv_columns, plan::ColumnNames(plan::OptionString(spec, true, "csv_columns")));
  options.skip_bad = plan::OptionString(spec, true, "on_error") == "skip";
  if (plan::OptionString(spec, true, "on_error") == "dead_letter")
    options.dead_letters = plan::OptionString(spec, true, "dead_letter_path");
  return std::unique_ptr<SourceReader>(std::make_unique<FileSourceReader>(std::move(options)));
}

}  // namespace headrace::data::connector
