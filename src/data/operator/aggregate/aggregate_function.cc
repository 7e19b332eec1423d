#include "data/operator/aggregate_function.h"

#include <arrow/type.h>

#include "data/operator/aggregate/make_aggregate.h"
#include "plan/fold_type.h"

namespace headrace::data::op {

Status AggregateFunction::Subtract(std::uint64_t* const*, const std::uint64_t* const*, std::int64_t) const {
  return Status::NotImplemented("this aggregate cannot take groups back");
}

Status AggregateFunction::Retract(const AggregateInput&, std::uint64_t* const*, std::int64_t) const {
  return Status::NotImplemented("this aggregate cannot take rows back");
}

Result<std::unique_ptr<AggregateFunction>> MakeAggregate(const AggregateSettings& settings, std::uint32_t word_offset) {
  const std::string& name = settings.name;
  if (name == "count") return MakeCount(word_offset);
  if (settings.type == nullptr) return Status::Invalid("no aggregate ", name, " of nothing");
  if (name == plan::kFold && settings.retractable)
    return Error(ErrorCode::kInvalidPlan, "an accumulator written in Python cannot take rows back, and its input is a changing result",
                 "Put it in front of what changes, or use a process function with an AggregatingState.");
  Result<std::unique_ptr<AggregateFunction>> made = Status::Invalid("there is no aggregate ", name);
  if (name == "sum" || name == "avg") made = MakeSum(settings, word_offset);
  if (name == "min" || name == "max") made = settings.retractable ? MakeCounted(settings, word_offset) : MakeExtreme(settings, word_offset);
  if (name == "count_distinct") made = MakeCounted(settings, word_offset);
  if (name == "first" || name == "last") made = MakeAtTime(settings, word_offset);
  if (name == plan::kFold) made = MakeFolded(settings, word_offset);
  const bool nested = settings.type->id() == arrow::Type::LIST || settings.type->id() == arrow::Type::STRUCT;
  if (name == "top" || name == "collect")
    made = nested && name == "collect" ? MakeNestedCollect(settings, word_offset) : MakeListed(settings, word_offset);
  if (made.ok() && settings.retractable && !(*made)->retractable()) {
    return Error(ErrorCode::kInvalidPlan, name + "() cannot take rows back, and its input is a changing result",
                 "Use count, sum, avg, min, max, count_distinct or collect there.");
  }
  return made;
}

Result<std::unique_ptr<AggregateFunction>> MakeNumericAggregate(const std::string& name, const std::shared_ptr<arrow::DataType>& type,
                                                                std::uint32_t word_offset) {
  return MakeAggregate({name, type}, word_offset);
}

}  // namespace headrace::data::op
