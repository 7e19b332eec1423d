#include "plan/row_schema.h"

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <set>
#include <utility>

#include "base/nearest_name.h"
#include "columnar/data_batch.h"
#include "plan/fold_type.h"
#include "plan/format_options.h"
#include "plan/function_types.h"
#include "plan/lookup_schema.h"
#include "plan/process.h"

namespace headrace::plan {
namespace {

using SchemaPtr = std::shared_ptr<arrow::Schema>;
constexpr std::uint64_t kMaxSpanMs = 10ull * 366 * 86'400'000;
constexpr std::size_t kMostGeneratorColumns = 64;
constexpr std::uint64_t kMaxSlices = 100'000;
constexpr std::uint64_t kMaxCountSlices = 10'000;  // they stand beside each key

Status Wrong(const OperatorSpec& spec, std::string what, std::string hint = {}) {
  return Error(ErrorCode::kInvalidPlan, fmt::format("{}: {}", spec.Describe(), what), std::move(hint));
}

const std::shared_ptr<arrow::DataType>& WindowTime() {
  static const auto type = arrow::timestamp(arrow::TimeUnit::MILLI, "UTC");
  return type;
}

Status CheckColumnName(const OperatorSpec& spec, const std::string& name, std::set<std::string>* taken) {
  if (name.empty()) return Wrong(spec, "a column has no name");
  if (name.starts_with("__"))
    return Wrong(spec, fmt::format("the column \"{:.100}\" begins with __, which is kept for the engine", name), "Choose another name.");
  if (!taken->insert(name).second) return Wrong(spec, fmt::format("two columns are called \"{:.100}\"", name), "Give one another name.");
  return Status::OK();
}

Result<const arrow::Field*> KeyOf(const OperatorSpec& spec, const std::string& name, const arrow::Schema& schema) {
  const int index = schema.GetFieldIndex(name);
  if (index < 0) {
    std::vector<std::string_view> names;
    for (const auto& field : schema.fields()) names.push_back(field->name());
    return Wrong(spec, fmt::format("there is no column \"{:.100}\" to group by{}", name, DidYouMean(name, names)),
                 fmt::format("The rows have {}.", fmt::join(names, ", ")));
  }
  const arrow::Field* field = schema.field(index).get();
  const auto id = field->type()->id();
  if (id == arrow::Type::LIST || id == arrow::Type::STRUCT || id == arrow::Type::LARGE_BINARY)
    return Wrong(spec, fmt::format("rows cannot be grouped by \"{}\": a {} is no key", name, TypeName(*field->type())),
                 "Group by a number, text, bool, date or timestamp.");
  return field;
}

Status CheckWindow(const OperatorSpec& spec, const Window& window) {
  using Kind = Window::Kind;
  const auto too_long = [&](std::uint64_t span_ms) { return span_ms > kMaxSpanMs; };
  if (too_long(window.size_ms) || too_long(window.slide_ms) || too_long(window.gap_ms))
    return Wrong(spec, "a window is at most ten years long");
  const bool timed = window.kind == Kind::kTumbling || window.kind == Kind::kSliding || window.kind == Kind::kCumulate;
  if (timed && window.size_ms == 0) return Wrong(spec, "the window has a size of 0", "Give it a size in ms, or a timedelta.");
  if (window.kind == Kind::kSession && window.gap_ms == 0)
    return Wrong(spec, "the session has a gap of 0", "Give it a gap in ms, or a timedelta.");
  if (window.kind == Kind::kCount && (window.rows == 0 || window.every == 0)) return Wrong(spec, "the window has no rows");
  if (window.kind == Kind::kCount && window.rows / std::gcd(window.rows, window.every) > kMaxCountSlices)
    return Wrong(
        spec, fmt::format("the window of {} rows at every {} is cut into more than {} slices", window.rows, window.every, kMaxCountSlices));
  if (window.kind == Kind::kSliding || window.kind == Kind::kCumulate) {
    const char* what = window.kind == Kind::kSliding ? "slide" : "step";
    if (window.slide_ms == 0) return Wrong(spec, fmt::format("the window has a {} of 0", what));
    if (window.slide_ms > window.size_ms)
      return Wrong(spec,
                   fmt::format("the window's {} of {} ms is longer than its size of {} ms: rows in between would be in no window", what,
                               window.slide_ms, window.size_ms),
                   "Take a tumbling window and where() in front of it, if that is meant.");
    if (window.kind == Kind::kCumulate && window.size_ms % window.slide_ms != 0)
      return Wrong(spec, "the size of a cumulating window is a multiple of its step");
    if (window.size_ms / std::gcd(window.size_ms, window.slide_ms) > kMaxSlices)
      return Wrong(spec, fmt::format("the window's size of {} ms and slide of {} ms cut time into more than {} slices a window",
                                     window.size_ms, window.slide_ms, kMaxSlices));
  }
  return Status::OK();
}

Result<SchemaPtr> SelectSchema(const OperatorSpec& spec, const SelectSpec& select, const arrow::Schema& input) {
  if (select.columns.empty()) return Wrong(spec, "it selects no columns");
  arrow::FieldVector fields;
  std::set<std::string> taken;
  std::set<std::string> written;
  for (const NamedExpression& column : select.columns)
    if (!written.insert(column.name).second)
      return Wrong(spec, fmt::format("two columns are called \"{:.100}\"", column.name), "Give one another name.");
  for (const NamedExpression& column : ColumnsOf(select, input)) {
    HR_RETURN_NOT_OK(CheckColumnName(spec, column.name, &taken));
    const auto settled = Settle(column.expression, input);
    if (!settled.ok()) return Wrong(spec, fmt::format("column \"{:.100}\": {}", column.name, settled.status().message()));
    const auto type = settled->type->id() == arrow::Type::NA ? arrow::int64() : settled->type;
    fields.push_back(arrow::field(column.name, type, settled->nullable));
  }
  return arrow::schema(std::move(fields));
}

Status CheckCondition(const OperatorSpec& spec, const Expression& condition, const arrow::Schema& input) {
  const auto settled = Settle(condition, input);
  if (!settled.ok()) return Wrong(spec, settled.status().message());
  if (settled->type->id() != arrow::Type::BOOL)
    return Wrong(spec, fmt::format("{} is a {}, but a condition is a bool", condition.ToString(), TypeName(*settled->type)));
  return Status::OK();
}

/// Columns that a vectorized function takes: those without parts.
bool IsFlat(const arrow::DataType& type) { return type.num_fields() == 0 && type.id() != arrow::Type::DICTIONARY; }

Status CheckGenerator(const OperatorSpec& spec, const EventTimeSpec& times, const SchemaPtr& input) {
  const EventTimeSpec::Generator& generator = times.generator;
  if ((times.strategy == EventTimeSpec::Strategy::kCustom) == generator.pickled.empty())
    return Wrong(spec, "only custom watermarks have a generator, and they need one");
  if (generator.columns.size() > kMostGeneratorColumns)
    return Wrong(spec, fmt::format("a watermark generator sees at most {} columns", kMostGeneratorColumns));
  if (generator.period_ms > kMaxSpanMs) return Wrong(spec, "a watermark generator is asked less than once in ten years");
  for (const Expression& column : generator.columns) {
    if (CallsPython(column))
      return Wrong(spec, "a watermark generator cannot see what a Python function gives", "Add the column with select() first.");
    if (input == nullptr)
      return Wrong(spec, "its rows have no columns for a watermark generator to see", "Leave columns= out, or give the source a schema.");
    const auto settled = Settle(column, *input);
    if (!settled.ok()) return Wrong(spec, settled.status().message());
    if (!IsFlat(*settled->type))
      return Wrong(spec, fmt::format("{} is a {}, which a watermark generator cannot see", column.ToString(), TypeName(*settled->type)),
                   "It takes columns without parts: no lists, no structs.");
  }
  return Status::OK();
}

Status CheckEventTime(const OperatorSpec& spec, const EventTimeSpec& times, const SchemaPtr& input) {
  if (times.bound_ms > kMaxSpanMs) return Wrong(spec, "the disorder is bounded by more than ten years");
  using Strategy = EventTimeSpec::Strategy;
  if ((times.strategy == Strategy::kPunctuated) != static_cast<bool>(times.watermark))
    return Wrong(spec, "only punctuated watermarks have an expression, and they need one");
  HR_RETURN_NOT_OK(CheckGenerator(spec, times, input));
  for (const auto& [expression, what] : {std::pair(&times.timestamp, "an event time"), std::pair(&times.watermark, "a watermark")}) {
    if (!*expression) continue;
    if (CallsPython(*expression))
      return Wrong(spec, fmt::format("a function in an expression cannot give {}", what),
                   "Give with_timestamp() a function of the row, or a column from select().");
    if (input == nullptr)
      return Wrong(spec, fmt::format("its rows have no columns, so {} cannot be one", what),
                   "Give with_timestamp() a function, or the source a schema.");
    const auto settled = Settle(*expression, *input);
    if (!settled.ok()) return Wrong(spec, settled.status().message());
    const auto id = settled->type->id();
    if (id != arrow::Type::TIMESTAMP && id != arrow::Type::NA && !IsInteger(*settled->type))
      return Wrong(spec, fmt::format("{} is a {}, but {} is a timestamp, or ms since 1970 as an int", expression->ToString(),
                                     TypeName(*settled->type), what));
  }
  return Status::OK();
}

Status CheckTrigger(const OperatorSpec& spec, const RowTrigger& trigger, const arrow::Schema& input) {
  using Kind = RowTrigger::Kind;
  if (trigger.kind == Kind::kRows && trigger.rows == 0) return Wrong(spec, "a trigger at every 0 rows");
  if (trigger.kind == Kind::kDelta && !(trigger.threshold >= 0)) return Wrong(spec, "a trigger whose threshold is no number of 0 or more");
  if ((trigger.kind == Kind::kAny || trigger.kind == Kind::kAll) && trigger.parts.empty()) return Wrong(spec, "a trigger of no parts");
  if (trigger.kind == Kind::kWhen || trigger.kind == Kind::kDelta) {
    const auto settled = SettleTrigger(trigger, input);
    if (!settled.ok()) return Wrong(spec, "its trigger: " + settled.status().message());
  }
  for (const RowTrigger& part : trigger.parts) HR_RETURN_NOT_OK(CheckTrigger(spec, part, input));
  return Status::OK();
}

/// What does not go with groups that begin anew.
Status CheckPurge(const OperatorSpec& spec, const AggregateSpec& aggregate) {
  if (aggregate.allowed_lateness_ms > 0)
    return Wrong(spec, "a trigger that purges leaves nothing for late rows to be added to", "Leave allowed_lateness() out, or purging().");
  if (aggregate.trigger.early_every_ms > 0)
    return Wrong(spec, "a trigger that purges does not go with early results by the clock", "Leave early_every() out, or purging().");
  return Status::OK();
}

/// Its input's rows say what is to be done.
Status CheckTriggered(const OperatorSpec& spec, const AggregateSpec& aggregate, const arrow::Schema& input) {
  using Kind = Window::Kind;
  const Kind kind = aggregate.window.kind;
  const Trigger& trigger = aggregate.trigger;
  if (kind == Kind::kNone || kind == Kind::kCount || trigger.by_row.kind != RowTrigger::Kind::kNone || trigger.early_every_ms > 0 ||
      trigger.early_every_rows > 0 || trigger.late_every_row)
    return Wrong(spec, "a trigger written in Python takes windows of time and the global window, and goes with no other trigger");
  const int columns = static_cast<int>(std::size(kTriggerColumns));
  for (int i = 0; i < columns; ++i) {
    const int at = input.num_fields() - columns + i;
    if (at < 0 || input.field(at)->name() != kTriggerColumns[i] || input.field(at)->type()->id() != arrow::Type::INT64)
      return Wrong(spec, "its rows come from no trigger");
  }
  return Status::OK();
}

/// Lateness, triggers and the clock: what does not go together.
Status CheckTriggers(const OperatorSpec& spec, const AggregateSpec& aggregate, const arrow::Schema& input) {
  using Kind = Window::Kind;
  const Kind kind = aggregate.window.kind;
  const Trigger& trigger = aggregate.trigger;
  const bool timed = kind != Kind::kNone && kind != Kind::kCount && kind != Kind::kGlobal;
  const bool by_watermark = timed && !aggregate.window.processing_time;
  const char* hint = "Take a tumbling, sliding, cumulating or session window by event time.";
  if (aggregate.allowed_lateness_ms > kMaxSpanMs) return Wrong(spec, "the allowed lateness is more than ten years");
  if (aggregate.allowed_lateness_ms > 0 && !by_watermark)
    return Wrong(
        spec,
        kind == Kind::kNone ? "allowed lateness needs a window" : "no row is late for its window: allowed lateness has no meaning there",
        hint);
  if (!aggregate.late_tag.empty() && !by_watermark)
    return Wrong(spec, "no row is late there: a side output for late rows stays empty", hint);
  if (trigger.late_every_row && aggregate.allowed_lateness_ms == 0)
    return Wrong(spec, "windows fire for late rows only within an allowed lateness", "Give allowed_lateness() too.");
  const bool by_row = trigger.by_row.kind != RowTrigger::Kind::kNone;
  const bool early = trigger.early_every_ms > 0 || trigger.early_every_rows > 0 || by_row;
  if (by_row) HR_RETURN_NOT_OK(CheckTrigger(spec, trigger.by_row, input));
  if (trigger.purge) HR_RETURN_NOT_OK(CheckPurge(spec, aggregate));
  if (trigger.by_function) HR_RETURN_NOT_OK(CheckTriggered(spec, aggregate, input));
  if (early && kind == Kind::kNone) return Wrong(spec, "a trigger needs a window", "Take GlobalWindow() for all rows of a group.");
  if (early && kind == Kind::kCount) return Wrong(spec, "a window of rows comes when it has its rows: it takes no other trigger");
  if (aggregate.window.processing_time && !timed) return Wrong(spec, "a window of rows or without end has no processing time");
  return Status::OK();
}

Result<SchemaPtr> AggregateSchema(const OperatorSpec& spec, const AggregateSpec& aggregate, const arrow::Schema& input) {
  HR_RETURN_NOT_OK(CheckWindow(spec, aggregate.window));
  if (aggregate.calls.empty() && aggregate.keys.empty()) return Wrong(spec, "it has neither keys nor aggregates");
  if (aggregate.ttl_ms > 0 && aggregate.window.kind != Window::Kind::kNone)
    return Wrong(spec, "windows end by themselves: it takes no ttl", "Leave ttl() out, or window().");
  if (aggregate.ttl_ms > 0 && aggregate.keys.empty()) return Wrong(spec, "the one group of all rows is kept for ever: it takes no ttl");
  HR_RETURN_NOT_OK(CheckTriggers(spec, aggregate, input));
  arrow::FieldVector fields;
  std::set<std::string> taken;
  for (const std::string& key : aggregate.keys) {
    HR_ASSIGN_OR_RAISE(const arrow::Field* field, KeyOf(spec, key, input));
    if (key == kWindowStart || key == kWindowEnd) {
      if (aggregate.window.kind != Window::Kind::kNone)
        return Wrong(spec, fmt::format("it groups by the column {}, which its own window adds", key), "Rename the column with select().");
    }
    if (!taken.insert(key).second) return Wrong(spec, fmt::format("it groups by \"{}\" twice", key));
    fields.push_back(arrow::field(key, field->type(), field->nullable()));
  }
  if (aggregate.window.kind != Window::Kind::kNone && aggregate.window.kind != Window::Kind::kGlobal &&
      aggregate.window.kind != Window::Kind::kCount) {
    for (const char* name : {kWindowStart, kWindowEnd}) {
      taken.insert(name);
      fields.push_back(arrow::field(name, WindowTime(), /*nullable=*/false));
    }
  }
  for (const AggregateCall& call : aggregate.calls) {
    HR_RETURN_NOT_OK(CheckColumnName(spec, call.name, &taken));
    const auto settled = SettleAggregate(call, input);
    if (!settled.ok()) return Wrong(spec, fmt::format("aggregate \"{:.100}\": {}", call.name, settled.status().message()));
    fields.push_back(arrow::field(call.name, settled->type, settled->nullable));
  }
  return arrow::schema(std::move(fields));
}

Result<SchemaPtr> TopSchema(const OperatorSpec& spec, const TopSpec& top, const SchemaPtr& input) {
  HR_RETURN_NOT_OK(CheckWindow(spec, top.window));
  if (top.limit == 0 || top.limit > 100'000) return Wrong(spec, fmt::format("top takes 1 to 100000 rows, not {}", top.limit));
  if (top.order.empty()) return Wrong(spec, "it has no column to order by");
  for (const std::string& key : top.keys) HR_RETURN_NOT_OK(KeyOf(spec, key, *input).status());
  for (const SortKey& key : top.order) HR_RETURN_NOT_OK(KeyOf(spec, key.column, *input).status());
  arrow::FieldVector fields = input->fields();
  std::set<std::string> taken;
  for (const auto& field : fields) taken.insert(field->name());
  if (top.ttl_ms > 0 && (top.window.kind != Window::Kind::kNone || input->GetFieldByName(kWindowEnd) != nullptr))
    return Wrong(spec, "windows end by themselves: it takes no ttl", "Leave ttl() out.");
  if (top.window.kind != Window::Kind::kNone) {
    for (const char* name : {kWindowStart, kWindowEnd}) {
      HR_RETURN_NOT_OK(CheckColumnName(spec, name, &taken));
      fields.push_back(arrow::field(name, WindowTime(), /*nullable=*/false));
    }
  }
  if (!top.rank_name.empty()) {
    HR_RETURN_NOT_OK(CheckColumnName(spec, top.rank_name, &taken));
    fields.push_back(arrow::field(top.rank_name, arrow::int64(), /*nullable=*/false));
  }
  return arrow::schema(std::move(fields));
}

Result<SchemaPtr> UnionSchema(const OperatorSpec& spec, const std::vector<SchemaPtr>& inputs) {
  for (const SchemaPtr& input : inputs) {
    if ((input == nullptr) != (inputs[0] == nullptr) || (input != nullptr && !input->Equals(*inputs[0], /*check_metadata=*/false)))
      return Wrong(spec, "its streams have rows of different types", "Bring them to the same columns with select() first.");
  }
  return inputs[0];
}

/// A process function takes any rows; its key columns must be there and tell values apart as Python does.
Status CheckProcessKeys(const OperatorSpec& spec, const std::vector<std::string>& keys, const SchemaPtr& input) {
  if (keys.empty()) return Status::OK();
  if (input == nullptr)
    return Wrong(spec, "it is keyed by columns, but its rows have none", "Key the stream by a function: key_by(lambda row: …).");
  for (const std::string& key : keys) {
    HR_ASSIGN_OR_RAISE(const arrow::Field* field, KeyOf(spec, key, *input));
    if (IsDecimal(*field->type()) || field->type()->id() == arrow::Type::UINT64 || field->type()->id() == arrow::Type::FLOAT)
      return Wrong(spec, fmt::format("\"{}\" is a {}, which cannot key a process function", key, TypeName(*field->type())),
                   "Cast it first: group_by(key=col(…).cast(…)).");
  }
  return Status::OK();
}

/// Columns that a Python function declares to give.
Status CheckReturns(const OperatorSpec& spec, const SchemaPtr& returns) {
  std::set<std::string> taken;
  if (returns == nullptr) return Status::OK();
  for (const auto& field : returns->fields()) HR_RETURN_NOT_OK(CheckColumnName(spec, field->name(), &taken));
  return Status::OK();
}

/// The rows that come in, but for a key that stands for none, and the columns of triggers. Rows that only say something have keys alone.
Result<SchemaPtr> TriggerSchema(const OperatorSpec& spec, const ProcessSpec& process, const SchemaPtr& input) {
  if (input == nullptr || process.two_inputs || process.returns != nullptr) return Wrong(spec, "a trigger takes typed rows of one stream");
  arrow::FieldVector fields;
  for (const auto& field : input->fields()) {
    const bool is_key = std::find(process.keys.begin(), process.keys.end(), field->name()) != process.keys.end();
    if (is_key && field->name() == kOneKeyColumn) continue;
    fields.push_back(arrow::field(field->name(), field->type(), field->nullable() || !is_key));
  }
  for (const char* name : kTriggerColumns) fields.push_back(arrow::field(name, arrow::int64(), /*nullable=*/false));
  return arrow::schema(std::move(fields));
}

/// Rows of two streams meet only when both are keyed in one way, by columns of the same types.
Result<SchemaPtr> ProcessSchema(const OperatorSpec& spec, const ProcessSpec& process, const std::vector<SchemaPtr>& inputs) {
  HR_RETURN_NOT_OK(CheckReturns(spec, process.returns));
  HR_RETURN_NOT_OK(CheckProcessKeys(spec, process.keys, inputs[0]));
  if (process.triggers) return TriggerSchema(spec, process, inputs[0]);
  if (!process.two_inputs) return process.returns;
  HR_RETURN_NOT_OK(CheckProcessKeys(spec, process.second_keys, inputs[1]));
  if (process.keys.size() != process.second_keys.size())
    return Wrong(spec, "its streams are keyed differently", "Key both by functions, or both by as many columns.");
  for (std::size_t i = 0; i < process.keys.size(); ++i) {
    const auto& first = *inputs[0]->GetFieldByName(process.keys[i])->type();
    const auto& second = *inputs[1]->GetFieldByName(process.second_keys[i])->type();
    if (!first.Equals(second) && !(IsInteger(first) && IsInteger(second)))
      return Wrong(spec,
                   fmt::format("its streams are keyed by \"{}\", a {}, and \"{}\", a {}", process.keys[i], TypeName(first),
                               process.second_keys[i], TypeName(second)),
                   "Cast one to the type of the other.");
  }
  return process.returns;
}

Result<SchemaPtr> PythonSchema(const OperatorSpec& spec, const PythonFunction& function, const SchemaPtr& input) {
  HR_RETURN_NOT_OK(CheckReturns(spec, function.returns));
  const bool same_rows = function.verb == PythonFunction::Verb::kFilter || function.verb == PythonFunction::Verb::kKeyBy;
  return same_rows ? input : function.returns;
}

}  // namespace

std::shared_ptr<arrow::Schema> WithRecordType(const std::shared_ptr<arrow::Schema>& schema, const std::string& record_type) {
  if (schema == nullptr || record_type.empty()) return schema;
  return schema->WithMetadata(arrow::key_value_metadata({kRecordTypeKey}, {record_type}));
}

std::string RecordTypeOf(const arrow::Schema& schema) {
  const int at = schema.metadata() == nullptr ? -1 : schema.metadata()->FindKey(kRecordTypeKey);
  return at < 0 ? std::string() : schema.metadata()->value(at);
}

std::vector<NamedExpression> ColumnsOf(const SelectSpec& select, const arrow::Schema& input) {
  if (!select.keep_all) return select.columns;
  std::vector<NamedExpression> columns;
  for (const auto& field : input.fields()) columns.push_back({field->name(), Expression::Column(field->name())});
  for (const NamedExpression& column : select.columns) {
    const auto same = std::find_if(columns.begin(), columns.end(), [&](const NamedExpression& known) { return known.name == column.name; });
    if (same == columns.end())
      columns.push_back(column);
    else
      same->expression = column.expression;
  }
  return columns;
}

namespace {

/// All columns of a row.
TypedExpression RowAsStruct(const arrow::Schema& schema) {
  TypedExpression row;
  row.kind = TypedExpression::Kind::kCall;
  row.function = Function::kStruct;
  row.nullable = false;
  row.text = "the row";
  arrow::FieldVector fields;
  for (int i = 0; i < schema.num_fields(); ++i) {
    const auto& field = schema.field(i);
    if (field->name().starts_with("__")) continue;
    TypedExpression name, column;
    name.type = arrow::utf8();
    column.kind = TypedExpression::Kind::kColumn;
    column.type = field->type();
    column.nullable = field->nullable();
    column.column = i;
    column.text = field->name();
    fields.push_back(field->WithMetadata(nullptr));
    row.arguments.push_back(std::move(name));
    row.arguments.push_back(std::move(column));
  }
  row.type = arrow::struct_(std::move(fields));
  return row;
}

}  // namespace

bool CollectsRows(const AggregateCall& call) { return call.function == "collect" && call.arguments.empty(); }

Result<TypedAggregateCall> SettleAggregate(const AggregateCall& call, const arrow::Schema& schema) {
  const auto calls_python = [](const Expression& argument) { return CallsPython(argument); };
  if (CallsPython(call.filter) || std::any_of(call.arguments.begin(), call.arguments.end(), calls_python))
    return Status::Invalid("a Python function cannot be called inside an aggregate: add its column with select() before");
  TypedAggregateCall settled{call.name, call.function, {}, nullptr, call.limit, nullptr, true};
  for (const Expression& argument : call.arguments) {
    HR_ASSIGN_OR_RAISE(TypedExpression typed, Settle(argument, schema));
    settled.arguments.push_back(std::move(typed));
  }
  if (CollectsRows(call)) {
    settled.arguments.push_back(RowAsStruct(schema));
  }
  if (call.filter) {
    HR_ASSIGN_OR_RAISE(TypedExpression filter, Settle(call.filter, schema));
    if (filter.type->id() != arrow::Type::BOOL)
      return Status::Invalid("its filter is a ", TypeName(*filter.type), ", but a condition is a bool");
    settled.filter = std::make_unique<TypedExpression>(std::move(filter));
  }
  if (call.function == kFold) {
    if (call.pickled.empty() || settled.arguments.size() != 1) return Status::Invalid("an accumulator has a function and one argument");
    settled.type = FoldType(settled.arguments[0].type);
    settled.nullable = false;
    if (settled.arguments[0].type->id() == arrow::Type::LARGE_BINARY)
      return Status::Invalid("an accumulator takes typed values: cast the column, or use a process function with an AggregatingState");
    return settled;
  }
  static const std::vector<std::string_view> names = {"count",          "sum",   "min",  "max", "avg",
                                                      "count_distinct", "first", "last", "top", "collect"};
  if (std::find(names.begin(), names.end(), call.function) == names.end())
    return Status::Invalid(fmt::format("there is no aggregate \"{:.60}\"{}; there are {}", call.function, DidYouMean(call.function, names),
                                       fmt::join(names, ", ")));
  const bool count = call.function == "count";
  if (count ? settled.arguments.size() > 1 : settled.arguments.size() != 1)
    return Status::Invalid(call.function, count ? " takes one argument or none, not " : " takes one argument, not ",
                           settled.arguments.size());
  const auto untyped = [](const auto& field) { return field->type()->id() == arrow::Type::LARGE_BINARY; };
  if (call.function == "collect" && settled.arguments[0].type->id() == arrow::Type::STRUCT) {
    const auto& fields = settled.arguments[0].type->fields();
    const auto found = std::find_if(fields.begin(), fields.end(), untyped);
    if (found != fields.end())
      return Status::Invalid("collect cannot keep \"", (*found)->name(), "\": its values have no type; cast it or select other columns");
  }
  const auto kept = [&]() -> Status {
    const auto id = settled.arguments[0].type->id();
    if (call.function == "collect" && id != arrow::Type::LARGE_BINARY) return Status::OK();
    if (id != arrow::Type::LIST && id != arrow::Type::STRUCT && id != arrow::Type::LARGE_BINARY) return Status::OK();
    return Status::Invalid(call.function, " takes numbers, text, bools and times, not ", TypeName(*settled.arguments[0].type));
  };
  if (!count && call.function != "sum" && call.function != "avg") HR_RETURN_NOT_OK(kept());
  if (count || call.function == "count_distinct") {
    settled.type = arrow::int64();
    settled.nullable = false;
    return settled;
  }
  TypedExpression& argument = settled.arguments[0];
  settled.nullable = argument.nullable || settled.filter != nullptr;
  if (call.function == "sum" || call.function == "avg") {
    const bool duration = call.function == "sum" && argument.type->id() == arrow::Type::DURATION;
    if (!IsNumber(*argument.type) && !duration)
      return Status::Invalid(call.function, call.function == "sum" ? " takes numbers and durations, not " : " takes numbers, not ",
                             TypeName(*argument.type));
    if (IsInteger(*argument.type)) HR_RETURN_NOT_OK(CastTo(arrow::int64(), &argument));
    if (IsFloat(*argument.type)) HR_RETURN_NOT_OK(CastTo(arrow::float64(), &argument));
    settled.type = argument.type;
    if (call.function == "avg" && !IsDecimal(*argument.type)) settled.type = arrow::float64();
    if (IsDecimal(*argument.type))
      settled.type = arrow::decimal128(
          38, std::min(38, static_cast<const arrow::DecimalType&>(*argument.type).scale() + (call.function == "avg" ? 4 : 0)));
    return settled;
  }
  const bool list = call.function == "top" || call.function == "collect";
  if (call.function == "top" && call.limit == 0) return Status::Invalid("top needs the number of values to keep");
  settled.type = list ? arrow::list(argument.type) : argument.type;
  if (list) settled.nullable = false;
  return settled;
}

Result<TypedExpression> SettleTrigger(const RowTrigger& trigger, const arrow::Schema& schema) {
  if (CallsPython(trigger.expression))
    return Status::Invalid("a Python function cannot be called there: add its column with select() before");
  HR_ASSIGN_OR_RAISE(TypedExpression settled, Settle(trigger.expression, schema));
  if (trigger.kind == RowTrigger::Kind::kWhen) {
    if (settled.type->id() == arrow::Type::BOOL) return settled;
    return Status::Invalid("when() takes a condition, a bool, not ", TypeName(*settled.type));
  }
  if (!IsNumber(*settled.type)) return Status::Invalid("delta() takes a number, not ", TypeName(*settled.type));
  HR_RETURN_NOT_OK(CastTo(arrow::float64(), &settled));
  return settled;
}

bool HasSideOutput(const OperatorSpec& spec, std::string_view tag) {
  if (const auto* process = std::get_if<ProcessSpec>(&spec.kind)) return !tag.empty() && !process->is_native();
  if (const auto* join = std::get_if<JoinSpec>(&spec.kind)) return !tag.empty() && (join->late_tags[0] == tag || join->late_tags[1] == tag);
  const auto* aggregate = std::get_if<AggregateSpec>(&spec.kind);
  return aggregate != nullptr && !tag.empty() && aggregate->late_tag == tag;
}

std::size_t InputOfSide(const OperatorSpec& spec, std::string_view tag) {
  const auto* join = std::get_if<JoinSpec>(&spec.kind);
  return join != nullptr && join->late_tags[1] == tag ? 1 : 0;
}

SchemaPtr RowsOfSide(const OperatorSpec& spec, const SchemaPtr& input) {
  const auto* aggregate = std::get_if<AggregateSpec>(&spec.kind);
  if (aggregate == nullptr || !aggregate->trigger.by_function || input == nullptr) return input;
  arrow::FieldVector fields = input->fields();
  fields.resize(fields.size() - std::size(kTriggerColumns));
  return arrow::schema(std::move(fields));
}

Result<SchemaPtr> SchemaOf(const OperatorSpec& spec, const std::vector<SchemaPtr>& inputs) {
  if (const auto* source = std::get_if<SourceSpec>(&spec.kind))
    return WithRecordType(source->connector.schema, source->connector.record_type);
  if (spec.is_sink()) {
    HR_RETURN_NOT_OK(CheckSinkRows(std::get<SinkSpec>(spec.kind).connector, inputs[0].get(), spec.Describe()));
    return nullptr;
  }
  if (const PythonFunction* function = spec.python()) return PythonSchema(spec, *function, inputs[0]);
  if (std::holds_alternative<UnionSpec>(spec.kind)) return UnionSchema(spec, inputs);
  if (const auto* join = std::get_if<JoinSpec>(&spec.kind)) {
    HR_ASSIGN_OR_RAISE(JoinColumns columns, ColumnsOf(spec, *join, inputs));
    return std::move(columns.schema);
  }
  const SchemaPtr& input = inputs[0];
  if (const auto* process = std::get_if<ProcessSpec>(&spec.kind)) return ProcessSchema(spec, *process, inputs);
  if (const auto* times = std::get_if<EventTimeSpec>(&spec.kind)) {
    HR_RETURN_NOT_OK(CheckEventTime(spec, *times, input));
    return input;
  }
  if (input == nullptr)
    return Wrong(spec, "its rows have no columns: expressions work on typed rows",
                 "Give the source a schema, or use map() and filter() with functions.");
  if (const auto* select = std::get_if<SelectSpec>(&spec.kind)) return SelectSchema(spec, *select, *input);
  if (const auto* aggregate = std::get_if<AggregateSpec>(&spec.kind)) return AggregateSchema(spec, *aggregate, *input);
  if (const auto* top = std::get_if<TopSpec>(&spec.kind)) return TopSchema(spec, *top, input);
  if (const auto* deduplicate = std::get_if<DeduplicateSpec>(&spec.kind)) return SchemaOf(spec, *deduplicate, input);
  if (const auto* lookup = std::get_if<LookupSpec>(&spec.kind)) return LookupSchema(spec, *lookup, *input);
  if (const auto* where = std::get_if<WhereSpec>(&spec.kind)) HR_RETURN_NOT_OK(CheckCondition(spec, where->condition, *input));
  return input;
}

}  // namespace headrace::plan
