#pragma once
#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "plan/job_graph.h"
#include "plan/typed_expression.h"

namespace headrace::plan {

inline constexpr char kWindowStart[] = "window_start";
inline constexpr char kWindowEnd[] = "window_end";

/// The typed rows that leave `spec`, null for untyped ones, given those of its inputs. Checks all of `spec` that depends on
/// columns and windows; errors name the operator and the user's file and line. Pure.
Result<std::shared_ptr<arrow::Schema>> SchemaOf(const OperatorSpec& spec, const std::vector<std::shared_ptr<arrow::Schema>>& inputs);

/// Whether `spec` gives rows to a side output of that name: as they came in, with its input's columns; a process
/// function gives untyped rows to any.
bool HasSideOutput(const OperatorSpec& spec, std::string_view tag);
/// The input whose rows such a side output has, as they came in. Not for process functions.
std::size_t InputOfSide(const OperatorSpec& spec, std::string_view tag);
/// The columns of such rows, given those of that input.
std::shared_ptr<arrow::Schema> RowsOfSide(const OperatorSpec& spec, const std::shared_ptr<arrow::Schema>& input);

/// Key of the schema metadata that names the Python class of rows, "module:qualname".
inline constexpr char kRecordTypeKey[] = "headrace.record";
std::shared_ptr<arrow::Schema> WithRecordType(const std::shared_ptr<arrow::Schema>& schema, const std::string& record_type);
/// Empty: rows are dicts.
std::string RecordTypeOf(const arrow::Schema& schema);

/// All columns that a select gives, in order: those it keeps stand as columns.
std::vector<NamedExpression> ColumnsOf(const SelectSpec& select, const arrow::Schema& input);

/// One call of an aggregate with its arguments settled.
struct TypedAggregateCall {
  std::string name, function;
  std::vector<TypedExpression> arguments;
  std::unique_ptr<TypedExpression> filter;  ///< null = all rows count
  std::uint64_t limit = 0;
  std::shared_ptr<arrow::DataType> type;  ///< of the result
  bool nullable = true;
};
/// The expression of a trigger's part: a bool, or a number as a float64. Invalid for others.
Result<TypedExpression> SettleTrigger(const RowTrigger& trigger, const arrow::Schema& schema);
/// Whether it is collect() without an argument: of whole rows, each a struct of their columns.
bool CollectsRows(const AggregateCall& call);
Result<TypedAggregateCall> SettleAggregate(const AggregateCall& call, const arrow::Schema& schema);

}  // namespace headrace::plan
