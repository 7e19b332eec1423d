#include "data/python/custom_watermarks.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "columnar/ipc.h"
#include "columnar/value_encoding.h"
#include "data/python/array_block.h"
#include "data/python/table_block.h"
#include "plan/typed_expression.h"

namespace headrace::data::python {

namespace {

/// The runs of a trip's rows by split, then, unless generators are asked by the clock, the rows' times and columns as an array block.
class GeneratorTrip final : public TripBody {
 public:
  GeneratorTrip(std::int64_t now_ms, const std::vector<connector::SplitRun>& runs, const ArrayWriter* arrays) : arrays_(arrays) {
    words_ = {arrays == nullptr ? 1 : 0, now_ms, static_cast<std::int64_t>(runs.size())};
    for (const connector::SplitRun& run : runs) words_.insert(words_.end(), {static_cast<std::int64_t>(run.split), run.rows});
    words_.resize((words_.size() + 7) / 8 * 8);  // arrays begin at 64 bytes
  }
  std::uint64_t size() const override { return 8 * words_.size() + (arrays_ == nullptr ? 0 : arrays_->size()); }
  void Write(std::uint8_t* out) const override {
    std::memcpy(out, words_.data(), 8 * words_.size());
    if (arrays_ != nullptr) arrays_->Write(out + 8 * words_.size());
  }

 private:
  std::vector<std::int64_t> words_;
  const ArrayWriter* arrays_;
};

}  // namespace

Result<std::unique_ptr<CustomWatermarks>> CustomWatermarks::Make(const plan::EventTimeSpec& spec,
                                                                 const std::shared_ptr<arrow::Schema>& input, WorkerPool* pool,
                                                                 std::uint32_t slot, const OperatorUid& uid) {
  std::unique_ptr<CustomWatermarks> made(new CustomWatermarks());
  HR_ASSIGN_OR_RAISE(made->inside_, op::EventTimeOperator::Make(spec, input));
  made->pool_ = pool;
  made->slot_ = slot;
  made->period_ = std::chrono::milliseconds(spec.generator.period_ms);
  arrow::FieldVector fields{arrow::field("timestamps", arrow::int64())};
  std::vector<plan::TypedExpression> columns;
  for (const plan::Expression& column : spec.generator.columns) {
    HR_ASSIGN_OR_RAISE(plan::TypedExpression settled, plan::Settle(column, *input));
    fields.push_back(
        arrow::field(fmt::format("c{}", columns.size()), settled.type->id() == arrow::Type::NA ? arrow::int64() : settled.type));
    columns.push_back(std::move(settled));
  }
  if (!columns.empty()) {
    HR_ASSIGN_OR_RAISE(made->columns_, expression::Evaluator::Make(std::move(columns), input));
  }
  HR_ASSIGN_OR_RAISE(const auto schema, columnar::EncodeSchema(arrow::Schema(std::move(fields))));
  made->spec_.kind = "watermarks";
  made->spec_.functions.push_back({plan::PythonFunction::Verb::kMap, uid, spec.generator.display_name, spec.generator.pickled});
  columnar::ValueWriter setup(&made->spec_.setup);
  setup.DictHeader(1);
  setup.String("input");
  setup.Bytes(schema->ToString());
  return made;
}

Status CustomWatermarks::Open(const op::OperatorContext& context) {
  clock_ = context.clock;
  if (clock_ != nullptr) ask_at_ = clock_->Now() + period_;
  HR_RETURN_NOT_OK(inside_->Open(context));
  return line_.Open(pool_, spec_, slot_, context);
}

Status CustomWatermarks::Process(std::uint32_t, columnar::DataBatch batch, op::Collector*) {
  HR_ASSIGN_OR_RAISE(batch, inside_->WithTimes(std::move(batch)));
  waiting_.Push(std::move(batch));
  return StartTrips();
}

Status CustomWatermarks::StartTrips() {
  while (!waiting_.empty() && line_.accepting()) {
    // While trips are out more rows gather: one call for all of them is cheaper than many, and the order of calls stays that of the rows.
    if (trips_.size() >= 2 && waiting_.rows() < kTripRows) return Status::OK();
    HR_RETURN_NOT_OK(SendRows(waiting_.TakeParts(kTripRows)));
  }
  return AskByClock();
}

Status CustomWatermarks::SendRows(Parts parts) {
  std::vector<arrow::ArrayVector> columns(1);
  std::int64_t rows = 0;
  for (const columnar::DataBatch& part : parts) {
    columns[0].push_back(part.records()->column(part.event_time_column()));
    rows += part.num_rows();
    if (columns_ == nullptr) continue;
    HR_ASSIGN_OR_RAISE(const arrow::ArrayVector values, columns_->Evaluate(*part.records()));
    columns.resize(1 + values.size());
    for (std::size_t i = 0; i < values.size(); ++i) columns[1 + i].push_back(values[i]);
  }
  HR_ASSIGN_OR_RAISE(const ArrayWriter arrays, ArrayWriter::Make(std::move(columns), rows));
  const std::int64_t now_ms = clock_ == nullptr ? 0 : clock_->WallTimeMs();
  HR_RETURN_NOT_OK(line_.Send(GeneratorTrip(now_ms, inside_->Upcoming(ahead_, rows), &arrays)));
  ahead_ += rows;
  trips_.push_back(std::move(parts));
  return Status::OK();
}

Status CustomWatermarks::AskByClock() {
  if (period_ == Duration::zero() || clock_ == nullptr || clock_->Now() < ask_at_ || !line_.accepting()) return Status::OK();
  ask_at_ = clock_->Now() + period_;
  const std::vector<connector::SplitRun> live = inside_->LiveSplits();
  if (live.empty()) return Status::OK();
  HR_RETURN_NOT_OK(line_.Send(GeneratorTrip(clock_->WallTimeMs(), live, nullptr)));
  trips_.emplace_back();
  return Status::OK();
}

Result<std::vector<op::EventTimeOperator::Mark>> CustomWatermarks::ReadMarks(const TripAnswer& answer) const {
  const auto columns = ReadTable(answer.bytes);
  if (!columns.ok()) return BadAnswer(spec_, columns.status());
  if (columns->size() != 1) return BadAnswer(spec_, Status::Invalid("another number of columns"));
  const auto words = columns->front().Ints("watermarks");
  if (!words.ok()) return BadAnswer(spec_, words.status());
  if (words->empty() || words->size() % 2 == 0) return BadAnswer(spec_, Status::Invalid("watermarks without a split"));
  std::vector<op::EventTimeOperator::Mark> marks;
  for (std::size_t i = 1; i < words->size(); i += 2) {
    const std::int64_t split = (*words)[i];
    if (split < 0 || static_cast<std::size_t>(split) >= inside_->num_splits())
      return BadAnswer(spec_, Status::Invalid("the watermark of a split that is not there"));
    marks.push_back({static_cast<std::uint32_t>(split), (*words)[i + 1]});
  }
  return marks;
}

Status CustomWatermarks::Poll(op::Collector* out) {
  for (;;) {
    HR_ASSIGN_OR_RAISE(const auto answer, line_.Take());
    if (!answer) break;
    const Parts parts = std::move(trips_.front());
    trips_.pop_front();
    HR_ASSIGN_OR_RAISE(const auto marks, ReadMarks(*answer));
    // The marks stand behind the last row that they were made of.
    for (std::size_t i = 0; i < parts.size(); ++i) {
      ahead_ -= parts[i].num_rows();
      const bool last = i + 1 == parts.size();
      HR_RETURN_NOT_OK(inside_->ProcessMarked(parts[i], last ? marks : decltype(marks){}, out));
    }
    if (parts.empty()) HR_RETURN_NOT_OK(inside_->TakeMarks(marks, out));
  }
  HR_RETURN_NOT_OK(line_.status());
  if (busy()) inside_->RowsAreAhead();
  HR_RETURN_NOT_OK(inside_->Poll(out));
  return StartTrips();
}

MonotonicTime CustomWatermarks::next_poll() const {
  const MonotonicTime next = inside_->next_poll();
  return period_ == Duration::zero() || clock_ == nullptr ? next : std::min(next, ask_at_);
}

}  // namespace headrace::data::python
