#include "data/operator/checking.h"

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <limits>
#include <utility>

namespace headrace::data::op {

namespace {

void CheckBatch(const columnar::DataBatch& batch, const std::string& name) {
  HR_CHECK(static_cast<bool>(batch), name);
  const auto& records = *batch.records();
  for (int i = 0; i < records.num_columns(); ++i) {
    const auto column = records.column_data(i);
    HR_CHECK(column != nullptr && column->length == records.num_rows(), name);
    HR_CHECK(column->type->Equals(*records.schema()->field(i)->type()), name);
  }
  if (batch.key_column() >= 0) HR_CHECK(records.schema()->field(batch.key_column())->type()->id() == arrow::Type::LARGE_BINARY, name);
  if (batch.event_time_column() >= 0)
    HR_CHECK(records.schema()->field(batch.event_time_column())->type()->id() == arrow::Type::INT64, name);
  if (batch.row_kind_column() >= 0) HR_CHECK(records.schema()->field(batch.row_kind_column())->type()->id() == arrow::Type::UINT8, name);
}

class CheckingOperator final : public Operator {
 public:
  CheckingOperator(std::unique_ptr<Operator> inner, std::string name) : inner_(std::move(inner)), name_(std::move(name)) {}

  Status Open(const OperatorContext& context) override {
    HR_CHECK(!open_, name_);
    HR_RETURN_NOT_OK(inner_->Open(context));
    open_ = true;
    return Status::OK();
  }
  bool accepting() const override { return inner_->accepting(); }
  Status Process(std::uint32_t input, columnar::DataBatch batch, Collector* out) override {
    HR_CHECK(open_ && !finishing_, name_);
    HR_CHECK(inner_->accepting(), name_);
    CheckBatch(batch, name_);
    Checked checked(this, out);
    return inner_->Process(input, std::move(batch), &checked);
  }
  Status Poll(Collector* out) override {
    Checked checked(this, out);
    return inner_->Poll(&checked);
  }
  bool busy() const override { return inner_->busy(); }
  Status Finish(Collector* out) override {
    HR_CHECK(open_ && !finishing_ && !inner_->busy(), name_);
    finishing_ = true;
    Checked checked(this, out);
    return inner_->Finish(&checked);
  }
  Status Flush(Collector* out) override {
    HR_CHECK(open_ && !finishing_ && !inner_->busy(), name_);
    Checked checked(this, out);
    return inner_->Flush(&checked);
  }
  Status OnBarrier(const columnar::Barrier& barrier) override {
    HR_CHECK(open_ && !finishing_ && !inner_->busy(), name_);
    HR_CHECK(barrier.checkpoint_id > last_barrier_, name_);
    last_barrier_ = barrier.checkpoint_id;
    return inner_->OnBarrier(barrier);
  }
  Status OnWatermark(const columnar::Watermark& watermark, Collector* out) override {
    HR_CHECK(open_ && !finishing_ && !inner_->busy(), name_);
    HR_CHECK(watermark.event_time_ms >= last_watermark_ms_, name_);
    last_watermark_ms_ = watermark.event_time_ms;
    Checked checked(this, out);
    return inner_->OnWatermark(watermark, &checked);
  }
  Status OnWatermarkStatus(const columnar::WatermarkStatus& status, Collector* out) override {
    Checked checked(this, out);
    return inner_->OnWatermarkStatus(status, &checked);
  }
  bool passes_watermarks() const override { return inner_->passes_watermarks(); }
  MonotonicTime next_poll() const override { return inner_->next_poll(); }
  void RequestStop() override { inner_->RequestStop(); }

 private:
  class Checked final : public Collector {
   public:
    Checked(CheckingOperator* owner, Collector* out) : owner_(owner), out_(out) {}
    Status Emit(columnar::DataBatch batch) override {
      CheckBatch(batch, owner_->name_);
      return out_->Emit(std::move(batch));
    }
    Status EmitSide(std::string_view tag, columnar::DataBatch batch) override {
      CheckBatch(batch, owner_->name_);
      return out_->EmitSide(tag, std::move(batch));
    }
    Status EmitWatermark(columnar::Watermark watermark) override {
      HR_CHECK(!owner_->passes_watermarks(), owner_->name_);
      return out_->EmitWatermark(watermark);
    }
    Status EmitStatus(columnar::WatermarkStatus status) override {
      HR_CHECK(!owner_->passes_watermarks(), owner_->name_);
      return out_->EmitStatus(status);
    }

   private:
    CheckingOperator* owner_;
    Collector* out_;
  };

  std::unique_ptr<Operator> inner_;
  std::string name_;
  bool open_ = false, finishing_ = false;
  std::uint64_t last_barrier_ = 0;
  std::int64_t last_watermark_ms_ = std::numeric_limits<std::int64_t>::min();
};

}  // namespace

std::unique_ptr<Operator> MakeCheckingOperator(std::unique_ptr<Operator> inner, std::string name) {
  return std::make_unique<CheckingOperator>(std::move(inner), std::move(name));
}

}  // namespace headrace::data::op
