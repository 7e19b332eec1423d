#pragma once
#include <arrow/type_fwd.h>

#include <memory>

#include "base/status.h"
#include "plan/relational.h"

namespace headrace::proto {
class Aggregate;
class ColumnType;
class EventTime;
class Expression;
class RowSchema;
class Select;
class Top;
class Window;
}  // namespace headrace::proto

namespace headrace::wire {

// Typed rows and the operators over them as protobuf messages, both ways. For wire's own sources only. Decoding checks form
// (kinds, ranges, counts), not sense.
void ToMessage(const arrow::Schema& schema, proto::RowSchema* message);
/// Null when the message has no fields.
Result<std::shared_ptr<arrow::Schema>> FromMessage(const proto::RowSchema& message);
void ToMessage(const plan::Expression& expression, proto::Expression* message);
Result<plan::Expression> FromMessage(const proto::Expression& message);
void ToMessage(const plan::SelectSpec& spec, proto::Select* message);
Result<plan::SelectSpec> FromMessage(const proto::Select& message);
void ToMessage(const plan::EventTimeSpec& spec, proto::EventTime* message);
Result<plan::EventTimeSpec> FromMessage(const proto::EventTime& message);
void ToMessage(const plan::AggregateSpec& spec, proto::Aggregate* message);
Result<plan::AggregateSpec> FromMessage(const proto::Aggregate& message);
void ToMessage(const plan::TopSpec& spec, proto::Top* message);
Result<plan::TopSpec> FromMessage(const proto::Top& message);
void ToMessage(const plan::Window& window, proto::Window* message);
Result<plan::Window> FromMessage(const proto::Window& message);

}  // namespace headrace::wire
