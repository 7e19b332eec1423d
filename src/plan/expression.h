#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"

namespace headrace::plan {

/// An expression over the columns of one row as its author wrote it: a tree of names, literals, calls and casts. A value.
struct Expression {
  enum class Kind { kNone, kColumn, kLiteral, kCall, kCast, kUser };
  Kind kind = Kind::kNone;
  std::string name;                       ///< kColumn: the column; kCall: the function
  std::string literal;                    ///< kLiteral: one value, value-encoded
  std::vector<Expression> arguments;      ///< kCall; kCast: one
  std::shared_ptr<arrow::DataType> type;  ///< kCast
  bool or_null = false;                   ///< kCast: what does not fit becomes null
  std::string pickled;                    ///< kUser: the Python function; `name` is for people, `type` that of its result
  bool vectorized = false;                ///< kUser: takes and gives pyarrow arrays

  explicit operator bool() const { return kind != Kind::kNone; }
  static Expression Column(std::string name);
  static Expression Call(std::string function, std::vector<Expression> arguments);
  /// As a person would write it: `price * 0.908`, `lower(channel)`.
  std::string ToString() const;
};

struct NamedExpression {
  std::string name;
  Expression expression;
};

/// Names of the columns that `expression` reads, each once, in order of appearance.
std::vector<std::string> ColumnsOf(const Expression& expression);
/// Whether a Python function is called anywhere in it.
bool CallsPython(const Expression& expression);

}  // namespace headrace::plan
