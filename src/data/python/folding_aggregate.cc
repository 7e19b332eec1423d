#include "data/python/folding_aggregate.h"

#include <arrow/array.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

#include "columnar/value_encoding.h"
#include "data/python/table_block.h"

namespace headrace::data::python {

std::unique_ptr<op::Operator> FoldingAggregate::Make(std::unique_ptr<op::Operator> inside, std::unique_ptr<op::FoldBook> folds,
                                                     const plan::AggregateSpec& spec, WorkerPool* pool, std::uint32_t slot,
                                                     const OperatorUid& uid) {
  std::unique_ptr<FoldingAggregate> made(new FoldingAggregate(std::move(inside), std::move(folds)));
  made->pool_ = pool;
  made->slot_ = slot;
  made->spec_.kind = "scalar";
  for (const plan::AggregateCall& call : spec.calls) {
    if (!call.pickled.empty()) made->spec_.functions.push_back({plan::PythonFunction::Verb::kMap, uid, call.display_name, call.pickled});
  }
  // Two columns a function: its groups' accumulators, and their rows.
  columnar::ValueWriter setup(&made->spec_.setup);
  setup.DictHeader(1);
  setup.String("arguments");
  setup.ListHeader(made->spec_.functions.size());
  for (std::size_t i = 0; i < made->spec_.functions.size(); ++i) {
    setup.ListHeader(2);
    setup.Int(static_cast<std::int64_t>(2 * i));
    setup.Int(static_cast<std::int64_t>(2 * i + 1));
  }
  return made;
}

Status FoldingAggregate::Open(const op::OperatorContext& context) {
  if (folds_->functions.size() != spec_.functions.size()) return Status::Invalid("an aggregate whose accumulators are not all folded");
  HR_RETURN_NOT_OK(inside_->Open(context));
  return line_.Open(pool_, spec_, slot_, context);
}

bool FoldingAggregate::has_pending() const {
  return std::any_of(folds_->functions.begin(), folds_->functions.end(), [](const auto* function) { return function->has_pending(); });
}

Status FoldingAggregate::Process(std::uint32_t, columnar::DataBatch batch, op::Collector* out) {
  waiting_.Push(std::move(batch));
  return GoOn(out);
}

Status FoldingAggregate::GoOn(op::Collector* out) {
  for (;;) {
    HR_RETURN_NOT_OK(SendTrips());
    if (folding() || waiting_.empty() || !inside_->accepting()) return Status::OK();
    HR_ASSIGN_OR_RAISE(columnar::DataBatch batch, waiting_.Take(kTripRows));
    HR_RETURN_NOT_OK(inside_->Process(0, std::move(batch), out));
  }
}

Status FoldingAggregate::SendTrips() {
  while (has_pending() && line_.accepting()) {
    TableWriter table;
    for (op::PendingFolds* function : folds_->functions) {
      HR_ASSIGN_OR_RAISE(const op::PendingFolds::Trip trip, function->Take(kTripBytes));
      HR_RETURN_NOT_OK(table.AddColumn(trip.accumulators));
      HR_RETURN_NOT_OK(table.AddColumn(trip.values));
    }
    HR_RETURN_NOT_OK(line_.Send(table));
  }
  return Status::OK();
}

Status FoldingAggregate::TakeAnswer(const TripAnswer& answer) {
  auto columns = ReadTable(answer.bytes);
  if (!columns.ok()) return BadAnswer(spec_, columns.status());
  if (columns->size() != folds_->functions.size()) return BadAnswer(spec_, Status::Invalid("another number of columns"));
  for (std::size_t i = 0; i < columns->size(); ++i) {
    std::int64_t bad_row = 0;
    const auto accumulators = AsType((*columns)[i], arrow::binary(), &bad_row);
    if (!accumulators.ok()) return BadAnswer(spec_, accumulators.status());
    const Status put = folds_->functions[i]->Put(**accumulators);
    if (!put.ok()) return BadAnswer(spec_, put);
  }
  return Status::OK();
}

Status FoldingAggregate::Poll(op::Collector* out) {
  for (;;) {
    HR_ASSIGN_OR_RAISE(const auto answer, line_.Take());
    if (!answer) break;
    HR_RETURN_NOT_OK(TakeAnswer(*answer));
  }
  HR_RETURN_NOT_OK(line_.status());
  if (!folding()) HR_RETURN_NOT_OK(inside_->Poll(out));
  return GoOn(out);
}

}  // namespace headrace::data::python
