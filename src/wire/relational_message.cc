#include "wire/relational_message.h"

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>

#include <utility>

#include "columnar/data_batch.h"
#include "plan/row_schema.h"
#include "proto/plan.pb.h"

namespace headrace::wire {
namespace {

constexpr int kMaxColumns = 2000;

Status Unknown(std::string_view what, int number) {
  return Error(ErrorCode::kUnknownFeature, fmt::format("the graph has a {} ({}) that this cluster does not know", what, number));
}

arrow::TimeUnit::type UnitFrom(proto::TimeUnit unit) {
  switch (unit) {
    case proto::SECOND:
      return arrow::TimeUnit::SECOND;
    case proto::MICRO:
      return arrow::TimeUnit::MICRO;
    case proto::NANO:
      return arrow::TimeUnit::NANO;
    default:
      return arrow::TimeUnit::MILLI;
  }
}
proto::TimeUnit ToUnit(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return proto::SECOND;
    case arrow::TimeUnit::MILLI:
      return proto::MILLI;
    case arrow::TimeUnit::MICRO:
      return proto::MICRO;
    case arrow::TimeUnit::NANO:
      return proto::NANO;
  }
  return proto::MILLI;
}

Result<std::shared_ptr<arrow::Field>> FromMessage(const proto::ColumnField& message, int depth);

Result<std::shared_ptr<arrow::DataType>> FromMessage(const proto::ColumnType& message, int depth) {
  if (depth > 30) return Error(ErrorCode::kInvalidPlan, "a column's type is nested more than 30 deep");
  using Type = proto::ColumnType;
  switch (message.kind()) {
    case Type::BOOL:
      return arrow::boolean();
    case Type::INT8:
      return arrow::int8();
    case Type::INT16:
      return arrow::int16();
    case Type::INT32:
      return arrow::int32();
    case Type::INT64:
      return arrow::int64();
    case Type::UINT8:
      return arrow::uint8();
    case Type::UINT16:
      return arrow::uint16();
    case Type::UINT32:
      return arrow::uint32();
    case Type::UINT64:
      return arrow::uint64();
    case Type::FLOAT32:
      return arrow::float32();
    case Type::FLOAT64:
      return arrow::float64();
    case Type::STRING:
      return arrow::utf8();
    case Type::BINARY:
      return arrow::binary();
    case Type::VALUE:
      return arrow::large_binary();
    case Type::DATE:
      return arrow::date32();
    case Type::TIME:
      return arrow::time64(message.unit() == proto::NANO ? arrow::TimeUnit::NANO : arrow::TimeUnit::MICRO);
    case Type::TIMESTAMP:
      return arrow::timestamp(UnitFrom(message.unit()), message.utc() ? "UTC" : "");
    case Type::DURATION:
      return arrow::duration(UnitFrom(message.unit()));
    case Type::DECIMAL: {
      if (message.precision() < 1 || message.precision() > 38 || message.scale() < 0 ||
          message.scale() > static_cast<int>(message.precision()))
        return Error(ErrorCode::kInvalidPlan, fmt::format("decimal({}, {}) is no type: 1 to 38 digits, 0 to all of them behind the point",
                                                          message.precision(), message.scale()));
      return arrow::decimal128(static_cast<std::int32_t>(message.precision()), message.scale());
    }
    case Type::LIST: {
      if (message.children_size() != 1) return Error(ErrorCode::kInvalidPlan, "a list type has one child, its elements");
      HR_ASSIGN_OR_RAISE(auto item, FromMessage(message.children(0), depth + 1));
      return arrow::list(item->WithName("item"));
    }
    case Type::STRUCT: {
      arrow::FieldVector fields;
      for (const proto::ColumnField& child : message.children()) {
        HR_ASSIGN_OR_RAISE(auto field, FromMessage(child, depth + 1));
        fields.push_back(std::move(field));
      }
      return arrow::struct_(std::move(fields));
    }
    default:
      return Unknown("column type", message.kind());
  }
}

Result<std::shared_ptr<arrow::Field>> FromMessage(const proto::ColumnField& message, int depth) {
  if (message.name().empty() || message.name().size() > 300) return Error(ErrorCode::kInvalidPlan, "a column's name has 1 to 300 bytes");
  HR_ASSIGN_OR_RAISE(auto type, FromMessage(message.type(), depth));
  std::shared_ptr<const arrow::KeyValueMetadata> metadata;
  if (message.type().kind() == proto::ColumnType::VALUE)
    metadata = arrow::key_value_metadata({std::string(columnar::kExtensionNameKey)}, {std::string(columnar::kValueExtension)});
  return arrow::field(message.name(), std::move(type), message.nullable(), std::move(metadata));
}

void ToMessage(const arrow::Field& field, proto::ColumnField* message);

void ToMessage(const arrow::Field& field, proto::ColumnType* message) {
  using Type = proto::ColumnType;
  const arrow::DataType& type = *field.type();
  switch (type.id()) {
    case arrow::Type::BOOL:
      return message->set_kind(Type::BOOL);
    case arrow::Type::INT8:
      return message->set_kind(Type::INT8);
    case arrow::Type::INT16:
      return message->set_kind(Type::INT16);
    case arrow::Type::INT32:
      return message->set_kind(Type::INT32);
    case arrow::Type::INT64:
      return message->set_kind(Type::INT64);
    case arrow::Type::UINT8:
      return message->set_kind(Type::UINT8);
    case arrow::Type::UINT16:
      return message->set_kind(Type::UINT16);
    case arrow::Type::UINT32:
      return message->set_kind(Type::UINT32);
    case arrow::Type::UINT64:
      return message->set_kind(Type::UINT64);
    case arrow::Type::FLOAT:
      return message->set_kind(Type::FLOAT32);
    case arrow::Type::DOUBLE:
      return message->set_kind(Type::FLOAT64);
    case arrow::Type::STRING:
      return message->set_kind(Type::STRING);
    case arrow::Type::BINARY:
      return message->set_kind(Type::BINARY);
    case arrow::Type::LARGE_BINARY:
      return message->set_kind(Type::VALUE);
    case arrow::Type::DATE32:
      return message->set_kind(Type::DATE);
    case arrow::Type::TIME64:
      message->set_kind(Type::TIME);
      return message->set_unit(ToUnit(static_cast<const arrow::Time64Type&>(type).unit()));
    case arrow::Type::TIMESTAMP:
      message->set_kind(Type::TIMESTAMP);
      message->set_unit(ToUnit(static_cast<const arrow::TimestampType&>(type).unit()));
      return message->set_utc(!static_cast<const arrow::TimestampType&>(type).timezone().empty());
    case arrow::Type::DURATION:
      message->set_kind(Type::DURATION);
      return message->set_unit(ToUnit(static_cast<const arrow::DurationType&>(type).unit()));
    case arrow::Type::DECIMAL128:
      message->set_kind(Type::DECIMAL);
      message->set_precision(static_cast<std::uint32_t>(static_cast<const arrow::DecimalType&>(type).precision()));
      return message->set_scale(static_cast<const arrow::DecimalType&>(type).scale());
    case arrow::Type::LIST:
    case arrow::Type::STRUCT:
      message->set_kind(type.id() == arrow::Type::LIST ? Type::LIST : Type::STRUCT);
      for (const auto& child : type.fields()) ToMessage(*child, message->add_children());
      return;
    default:
      HR_CHECK(false, "a column type that does not travel");
  }
}

void ToMessage(const arrow::Field& field, proto::ColumnField* message) {
  message->set_name(field.name());
  message->set_nullable(field.nullable());
  ToMessage(field, message->mutable_type());
}

}  // namespace

Result<plan::Window> FromMessage(const proto::Window& message) {
  plan::Window window;
  switch (message.kind()) {
    case proto::Window::UNSET:
      window.kind = plan::Window::Kind::kNone;
      break;
    case proto::Window::TUMBLING:
      window.kind = plan::Window::Kind::kTumbling;
      break;
    case proto::Window::SLIDING:
      window.kind = plan::Window::Kind::kSliding;
      break;
    case proto::Window::SESSION:
      window.kind = plan::Window::Kind::kSession;
      break;
    case proto::Window::CUMULATE:
      window.kind = plan::Window::Kind::kCumulate;
      break;
    case proto::Window::GLOBAL:
      window.kind = plan::Window::Kind::kGlobal;
      break;
    case proto::Window::COUNT:
      window.kind = plan::Window::Kind::kCount;
      break;
    default:
      return Unknown("window", message.kind());
  }
  window.processing_time = message.processing_time();
  window.size_ms = message.size_ms();
  window.slide_ms = message.slide_ms();
  window.offset_ms = message.offset_ms();
  window.gap_ms = message.gap_ms();
  window.rows = message.rows();
  window.every = message.every();
  return window;
}

void ToMessage(const plan::Window& window, proto::Window* message) {
  switch (window.kind) {
    case plan::Window::Kind::kNone:
      break;
    case plan::Window::Kind::kTumbling:
      message->set_kind(proto::Window::TUMBLING);
      break;
    case plan::Window::Kind::kSliding:
      message->set_kind(proto::Window::SLIDING);
      break;
    case plan::Window::Kind::kSession:
      message->set_kind(proto::Window::SESSION);
      break;
    case plan::Window::Kind::kCumulate:
      message->set_kind(proto::Window::CUMULATE);
      break;
    case plan::Window::Kind::kGlobal:
      message->set_kind(proto::Window::GLOBAL);
      break;
    case plan::Window::Kind::kCount:
      message->set_kind(proto::Window::COUNT);
      break;
  }
  message->set_processing_time(window.processing_time);
  message->set_size_ms(window.size_ms);
  message->set_slide_ms(window.slide_ms);
  message->set_offset_ms(window.offset_ms);
  message->set_gap_ms(window.gap_ms);
  message->set_rows(window.rows);
  message->set_every(window.every);
}

void ToMessage(const arrow::Schema& schema, proto::RowSchema* message) {
  message->set_record_type(plan::RecordTypeOf(schema));
  for (const auto& field : schema.fields()) ToMessage(*field, message->add_fields());
}

Result<std::shared_ptr<arrow::Schema>> FromMessage(const proto::RowSchema& message) {
  if (message.fields().empty()) return nullptr;
  if (message.fields_size() > kMaxColumns)
    return Error(ErrorCode::kInvalidPlan,
                 fmt::format("a row type has {} columns; at most {} are taken", message.fields_size(), kMaxColumns));
  arrow::FieldVector fields;
  for (const proto::ColumnField& field : message.fields()) {
    HR_ASSIGN_OR_RAISE(auto made, FromMessage(field, 0));
    fields.push_back(std::move(made));
  }
  return plan::WithRecordType(arrow::schema(std::move(fields)), message.record_type());
}

void ToMessage(const plan::Expression& expression, proto::Expression* message) {
  switch (expression.kind) {
    case plan::Expression::Kind::kNone:
      return;
    case plan::Expression::Kind::kColumn:
      return message->set_column(expression.name);
    case plan::Expression::Kind::kLiteral:
      return message->set_literal(expression.literal);
    case plan::Expression::Kind::kCall:
      message->mutable_call()->set_function(expression.name);
      for (const plan::Expression& argument : expression.arguments) ToMessage(argument, message->mutable_call()->add_arguments());
      return;
    case plan::Expression::Kind::kCast:
      ToMessage(expression.arguments[0], message->mutable_cast()->mutable_argument());
      ToMessage(*arrow::field("", expression.type), message->mutable_cast()->mutable_type());
      return message->mutable_cast()->set_or_null(expression.or_null);
    case plan::Expression::Kind::kUser:
      message->mutable_user()->mutable_function()->set_pickled(expression.pickled);
      message->mutable_user()->mutable_function()->set_display_name(expression.name);
      message->mutable_user()->set_vectorized(expression.vectorized);
      ToMessage(*arrow::field("", expression.type), message->mutable_user()->mutable_result());
      for (const plan::Expression& argument : expression.arguments) ToMessage(argument, message->mutable_user()->add_arguments());
      return;
  }
}

Result<plan::Expression> FromMessage(const proto::Expression& message) {
  plan::Expression expression;
  switch (message.kind_case()) {
    case proto::Expression::kColumn:
      return plan::Expression::Column(message.column());
    case proto::Expression::kLiteral:
      expression.kind = plan::Expression::Kind::kLiteral;
      expression.literal = message.literal();
      return expression;
    case proto::Expression::kCall:
      expression.kind = plan::Expression::Kind::kCall;
      expression.name = message.call().function();
      for (const proto::Expression& argument : message.call().arguments()) {
        HR_ASSIGN_OR_RAISE(plan::Expression decoded, FromMessage(argument));
        expression.arguments.push_back(std::move(decoded));
      }
      return expression;
    case proto::Expression::kCast: {
      expression.kind = plan::Expression::Kind::kCast;
      HR_ASSIGN_OR_RAISE(plan::Expression decoded, FromMessage(message.cast().argument()));
      expression.arguments.push_back(std::move(decoded));
      HR_ASSIGN_OR_RAISE(expression.type, FromMessage(message.cast().type(), 0));
      expression.or_null = message.cast().or_null();
      return expression;
    }
    case proto::Expression::kUser: {
      expression.kind = plan::Expression::Kind::kUser;
      expression.name = message.user().function().display_name().substr(0, 200);
      expression.pickled = message.user().function().pickled();
      expression.vectorized = message.user().vectorized();
      HR_ASSIGN_OR_RAISE(expression.type, FromMessage(message.user().result(), 0));
      for (const proto::Expression& argument : message.user().arguments()) {
        HR_ASSIGN_OR_RAISE(plan::Expression decoded, FromMessage(argument));
        expression.arguments.push_back(std::move(decoded));
      }
      return expression;
    }
    case proto::Expression::KIND_NOT_SET:
      break;
  }
  return expression;
}

void ToMessage(const plan::SelectSpec& spec, proto::Select* message) {
  message->set_keep_all(spec.keep_all);
  for (const plan::NamedExpression& column : spec.columns) {
    auto* added = message->add_columns();
    added->set_name(column.name);
    ToMessage(column.expression, added->mutable_expression());
  }
}

Result<plan::SelectSpec> FromMessage(const proto::Select& message) {
  plan::SelectSpec spec;
  spec.keep_all = message.keep_all();
  for (const proto::NamedExpression& column : message.columns()) {
    HR_ASSIGN_OR_RAISE(plan::Expression expression, FromMessage(column.expression()));
    spec.columns.push_back({column.name(), std::move(expression)});
  }
  return spec;
}

void ToMessage(const plan::EventTimeSpec& spec, proto::EventTime* message) {
  using Strategy = plan::EventTimeSpec::Strategy;
  switch (spec.strategy) {
    case Strategy::kNone:
      message->set_strategy(proto::EventTime::NONE);
      break;
    case Strategy::kBounded:
      message->set_strategy(proto::EventTime::BOUNDED);
      break;
    case Strategy::kMonotonous:
      message->set_strategy(proto::EventTime::MONOTONOUS);
      break;
    case Strategy::kPunctuated:
      message->set_strategy(proto::EventTime::PUNCTUATED);
      break;
    case Strategy::kCustom:
      message->set_strategy(proto::EventTime::CUSTOM);
      break;
  }
  message->set_bound_ms(spec.bound_ms);
  if (spec.timestamp) ToMessage(spec.timestamp, message->mutable_timestamp());
  if (spec.watermark) ToMessage(spec.watermark, message->mutable_watermark());
  if (!spec.pickled.empty()) {
    message->mutable_function()->set_pickled(spec.pickled);
    message->mutable_function()->set_display_name(spec.display_name);
  }
  message->set_idle_after_ms(spec.idle_after_ms);
  message->set_alignment_group(spec.alignment_group);
  message->set_max_drift_ms(spec.max_drift_ms);
  if (spec.generator.pickled.empty()) return;
  message->mutable_generator()->set_pickled(spec.generator.pickled);
  message->mutable_generator()->set_display_name(spec.generator.display_name);
  for (const plan::Expression& column : spec.generator.columns) ToMessage(column, message->add_generator_columns());
  message->set_period_ms(spec.generator.period_ms);
}

Result<plan::EventTimeSpec> FromMessage(const proto::EventTime& message) {
  plan::EventTimeSpec spec;
  switch (message.strategy()) {
    case proto::EventTime::NONE:
      spec.strategy = plan::EventTimeSpec::Strategy::kNone;
      break;
    case proto::EventTime::BOUNDED:
      spec.strategy = plan::EventTimeSpec::Strategy::kBounded;
      break;
    case proto::EventTime::MONOTONOUS:
      spec.strategy = plan::EventTimeSpec::Strategy::kMonotonous;
      break;
    case proto::EventTime::PUNCTUATED:
      spec.strategy = plan::EventTimeSpec::Strategy::kPunctuated;
      break;
    case proto::EventTime::CUSTOM:
      spec.strategy = plan::EventTimeSpec::Strategy::kCustom;
      break;
    default:
      return Unknown("watermark strategy", message.strategy());
  }
  spec.bound_ms = message.bound_ms();
  HR_ASSIGN_OR_RAISE(spec.timestamp, FromMessage(message.timestamp()));
  HR_ASSIGN_OR_RAISE(spec.watermark, FromMessage(message.watermark()));
  spec.pickled = message.function().pickled();
  spec.display_name = message.function().display_name();
  spec.idle_after_ms = message.idle_after_ms();
  spec.alignment_group = message.alignment_group();
  spec.max_drift_ms = message.max_drift_ms();
  spec.generator = {message.generator().pickled(), message.generator().display_name(), {}, message.period_ms()};
  for (const proto::Expression& column : message.generator_columns()) {
    HR_ASSIGN_OR_RAISE(plan::Expression decoded, FromMessage(column));
    spec.generator.columns.push_back(std::move(decoded));
  }
  return spec;
}

namespace {

constexpr int kMostTriggers = 64;  // of one operator, with their parts

void ToMessage(const plan::RowTrigger& trigger, proto::RowTrigger* message) {
  message->set_kind(static_cast<proto::RowTrigger::Kind>(trigger.kind));
  message->set_rows(trigger.rows);
  message->set_threshold(trigger.threshold);
  if (trigger.expression) wire::ToMessage(trigger.expression, message->mutable_expression());
  for (const plan::RowTrigger& part : trigger.parts) ToMessage(part, message->add_parts());
}

Result<plan::RowTrigger> FromMessage(const proto::RowTrigger& message, int* left) {
  if (--*left < 0) return Status::Invalid("a trigger of more than ", kMostTriggers, " parts");
  if (message.kind() < proto::RowTrigger::ROWS || message.kind() > proto::RowTrigger::ALL) return Unknown("trigger", message.kind());
  plan::RowTrigger trigger{static_cast<plan::RowTrigger::Kind>(message.kind()), message.rows(), {}, message.threshold(), {}};
  HR_ASSIGN_OR_RAISE(trigger.expression, wire::FromMessage(message.expression()));
  for (const proto::RowTrigger& part : message.parts()) {
    HR_ASSIGN_OR_RAISE(plan::RowTrigger decoded, FromMessage(part, left));
    trigger.parts.push_back(std::move(decoded));
  }
  return trigger;
}

}  // namespace

void ToMessage(const plan::AggregateSpec& spec, proto::Aggregate* message) {
  for (const std::string& key : spec.keys) message->add_keys(key);
  ToMessage(spec.window, message->mutable_window());
  for (const plan::AggregateCall& call : spec.calls) {
    auto* added = message->add_calls();
    added->set_name(call.name);
    added->set_function(call.function);
    for (const plan::Expression& argument : call.arguments) ToMessage(argument, added->add_arguments());
    if (call.filter) ToMessage(call.filter, added->mutable_filter());
    added->set_limit(call.limit);
    if (call.pickled.empty()) continue;
    added->mutable_user()->set_pickled(call.pickled);
    added->mutable_user()->set_display_name(call.display_name);
  }
  message->set_allowed_lateness_ms(spec.allowed_lateness_ms);
  message->set_late_tag(spec.late_tag);
  message->mutable_trigger()->set_early_every_ms(spec.trigger.early_every_ms);
  message->mutable_trigger()->set_early_every_rows(spec.trigger.early_every_rows);
  message->mutable_trigger()->set_late_every_row(spec.trigger.late_every_row);
  if (spec.trigger.by_row.kind != plan::RowTrigger::Kind::kNone)
    ToMessage(spec.trigger.by_row, message->mutable_trigger()->mutable_by_row());
  message->mutable_trigger()->set_purge(spec.trigger.purge);
  message->mutable_trigger()->set_by_function(spec.trigger.by_function);
  message->set_ttl_ms(spec.ttl_ms);
}

Result<plan::AggregateSpec> FromMessage(const proto::Aggregate& message) {
  plan::AggregateSpec spec;
  spec.keys = {message.keys().begin(), message.keys().end()};
  HR_ASSIGN_OR_RAISE(spec.window, FromMessage(message.window()));
  for (const proto::AggregateCall& call : message.calls()) {
    plan::AggregateCall decoded;
    decoded.name = call.name();
    decoded.function = call.function();
    for (const proto::Expression& argument : call.arguments()) {
      HR_ASSIGN_OR_RAISE(plan::Expression expression, FromMessage(argument));
      decoded.arguments.push_back(std::move(expression));
    }
    HR_ASSIGN_OR_RAISE(decoded.filter, FromMessage(call.filter()));
    decoded.limit = call.limit();
    decoded.pickled = call.user().pickled();
    decoded.display_name = call.user().display_name();
    spec.calls.push_back(std::move(decoded));
  }
  spec.allowed_lateness_ms = message.allowed_lateness_ms();
  spec.late_tag = message.late_tag();
  spec.ttl_ms = message.ttl_ms();
  spec.trigger = {message.trigger().early_every_ms(), message.trigger().early_every_rows(), message.trigger().late_every_row(), {},
                  message.trigger().purge(),          message.trigger().by_function()};
  if (message.trigger().has_by_row()) {
    int left = kMostTriggers;
    HR_ASSIGN_OR_RAISE(spec.trigger.by_row, FromMessage(message.trigger().by_row(), &left));
  }
  return spec;
}

void ToMessage(const plan::TopSpec& spec, proto::Top* message) {
  for (const std::string& key : spec.keys) message->add_keys(key);
  ToMessage(spec.window, message->mutable_window());
  for (const plan::SortKey& key : spec.order) {
    auto* added = message->add_order();
    added->set_column(key.column);
    added->set_descending(key.descending);
  }
  message->set_limit(spec.limit);
  message->set_ties(spec.ties);
  message->set_rank_name(spec.rank_name);
  message->set_ttl_ms(spec.ttl_ms);
}

Result<plan::TopSpec> FromMessage(const proto::Top& message) {
  plan::TopSpec spec;
  spec.keys = {message.keys().begin(), message.keys().end()};
  HR_ASSIGN_OR_RAISE(spec.window, FromMessage(message.window()));
  for (const proto::SortKey& key : message.order()) spec.order.push_back({key.column(), key.descending()});
  spec.limit = message.limit();
  spec.ties = message.ties();
  spec.rank_name = message.rank_name();
  spec.ttl_ms = message.ttl_ms();
  return spec;
}

}  // namespace headrace::wire
