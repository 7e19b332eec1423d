#pragma once
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/status.h"

namespace headrace {

/// The answer of an operation on an outside system: done, not done, or unknown.
/// Unknown means that the effect may or may not have happened; the caller reads the same key again and never guesses.
template <typename T>
class Outcome {
 public:
  static Outcome Done(T value) { return Outcome(Kind::kDone, std::move(value), Status::OK()); }
  /// Surely without effect.
  static Outcome NotDone(Status reason) { return Outcome(Kind::kNotDone, std::nullopt, std::move(reason)); }
  static Outcome Unknown(Status reason) { return Outcome(Kind::kUnknown, std::nullopt, std::move(reason)); }
  bool done() const { return kind_ == Kind::kDone; }
  bool not_done() const { return kind_ == Kind::kNotDone; }
  bool unknown() const { return kind_ == Kind::kUnknown; }
  const T& value() const {
    HR_CHECK(value_.has_value(), "value() of an outcome that is not done");
    return *value_;
  }
  T TakeValue() {
    HR_CHECK(value_.has_value(), "TakeValue() of an outcome that is not done");
    return std::move(*value_);
  }
  /// Why it is not done or unknown; OK when done.
  const Status& reason() const { return reason_; }

 private:
  enum class Kind { kDone, kNotDone, kUnknown };
  Outcome(Kind kind, std::optional<T> value, Status reason) : kind_(kind), value_(std::move(value)), reason_(std::move(reason)) {}
  Kind kind_;
  std::optional<T> value_;
  Status reason_;
};

/// The value of an outcome that carries none.
struct Nothing {};

}  // namespace headrace
