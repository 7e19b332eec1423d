#include "data/connector/file/part_writer.h"

#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <utility>

namespace headrace::data::connector {
namespace {

/// The open part file as Arrow writes into it.
class PartStream final : public arrow::io::OutputStream {
 public:
  explicit PartStream(PartFiles* files) : files_(files) {}
  Status Close() override {
    closed_ = true;
    return Status::OK();
  }
  bool closed() const override { return closed_; }
  Result<std::int64_t> Tell() const override { return files_->open_bytes(); }
  Status Write(const void* data, std::int64_t size) override {
    return files_->Write({static_cast<const char*>(data), static_cast<std::size_t>(size)});
  }
  using arrow::io::OutputStream::Write;

 private:
  PartFiles* files_;
  bool closed_ = false;
};

}  // namespace

PartWriter::PartWriter(std::unique_ptr<PartFiles> files, PartLimits limits, std::string compression)
    : files_(std::move(files)), limits_(limits), compression_(std::move(compression)) {}
PartWriter::~PartWriter() = default;

Status PartWriter::CountRows(std::int64_t rows) {
  if (rows_ == 0) opened_at_ = std::chrono::steady_clock::now();
  rows_ += rows;
  const bool full = files_->open_bytes() >= limits_.bytes || (limits_.rows > 0 && rows_ >= limits_.rows);
  return full ? Publish() : Status::OK();
}

Status PartWriter::Write(std::string_view header, std::string_view text, std::int64_t rows) {
  if (rows_ == 0 && !header.empty()) HR_RETURN_NOT_OK(files_->Write(header));
  HR_RETURN_NOT_OK(files_->Write(text));
  return CountRows(rows);
}

Status PartWriter::Write(const columnar::DataBatch& batch) {
  for (std::int64_t row = 0; row < batch.num_rows();) {
    if (parquet_ == nullptr) {
      HR_ASSIGN_OR_RAISE(parquet_, format::ParquetWriter::Open(*batch.records()->schema(), compression_, limits_.bytes,
                                                               std::make_shared<PartStream>(files_.get())));
    }
    std::int64_t rows = batch.num_rows() - row;
    if (limits_.rows > 0) rows = std::min(rows, limits_.rows - rows_);
    HR_RETURN_NOT_OK(parquet_->Write(*batch.Slice(row, rows).records()));
    HR_RETURN_NOT_OK(CountRows(rows));
    row += rows;
  }
  return Status::OK();
}

Status PartWriter::Publish() {
  if (parquet_ != nullptr) {
    const auto whole = std::move(parquet_);
    HR_RETURN_NOT_OK(whole->Close());
  }
  rows_ = 0;
  return files_->Publish();
}

}  // namespace headrace::data::connector
