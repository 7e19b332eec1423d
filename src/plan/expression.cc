#include "plan/expression.h"

#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "columnar/value_encoding.h"
#include "plan/function_table.h"

namespace headrace::plan {
namespace {

constexpr std::size_t kMaxShownBytes = 300;

void Write(const Expression& expression, bool inner, std::string* out) {
  if (out->size() > kMaxShownBytes) return;
  switch (expression.kind) {
    case Expression::Kind::kNone:
      *out += "nothing";
      return;
    case Expression::Kind::kColumn:
      *out += expression.name;
      return;
    case Expression::Kind::kLiteral:
      *out += columnar::ReprOf(expression.literal, 60);
      return;
    case Expression::Kind::kCast:
      *out += "cast(";
      Write(expression.arguments[0], false, out);
      *out += fmt::format(", {})", expression.type->ToString());
      return;
    case Expression::Kind::kCall:
    case Expression::Kind::kUser:
      break;
  }
  const FunctionEntry* entry = expression.kind == Expression::Kind::kUser ? nullptr : FindFunction(expression.name);
  const bool between = entry != nullptr && !entry->symbol.empty() && expression.arguments.size() > 1;
  if (!between) *out += expression.name;
  if (!between || inner) *out += '(';
  for (std::size_t i = 0; i < expression.arguments.size(); ++i) {
    if (i > 0) *out += between ? fmt::format(" {} ", entry->symbol) : std::string(", ");
    Write(expression.arguments[i], between, out);
  }
  if (!between || inner) *out += ')';
}

void Collect(const Expression& expression, std::vector<std::string>* names) {
  if (expression.kind == Expression::Kind::kColumn && std::find(names->begin(), names->end(), expression.name) == names->end())
    names->push_back(expression.name);
  for (const Expression& argument : expression.arguments) Collect(argument, names);
}

}  // namespace

Expression Expression::Column(std::string name) {
  Expression expression;
  expression.kind = Kind::kColumn;
  expression.name = std::move(name);
  return expression;
}

Expression Expression::Call(std::string function, std::vector<Expression> arguments) {
  Expression expression;
  expression.kind = Kind::kCall;
  expression.name = std::move(function);
  expression.arguments = std::move(arguments);
  return expression;
}

std::string Expression::ToString() const {
  std::string text;
  Write(*this, false, &text);
  if (text.size() > kMaxShownBytes) text = text.substr(0, kMaxShownBytes) + "…";
  return text;
}

bool CallsPython(const Expression& expression) {
  return expression.kind == Expression::Kind::kUser || std::any_of(expression.arguments.begin(), expression.arguments.end(), CallsPython);
}

std::vector<std::string> ColumnsOf(const Expression& expression) {
  std::vector<std::string> names;
  Collect(expression, &names);
  return names;
}

}  // namespace headrace::plan
