#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace headrace::data::format {

/// Reads JSON documents into value encoding (docs/formats/value.md §1): object → dict, array → list, string → str, integer within 64 bits →
/// int, other numbers → float, true, false, null. Owns parse buffers that it reuses; one thread.
class JsonValueReader {
 public:
  JsonValueReader();
  ~JsonValueReader();
  /// Appends the value of exactly one document to `out`. Invalid when it is not well-formed JSON in UTF-8, nests deeper than 100 or holds
  /// an integer beyond unsigned 64 bits; `out` may then hold part of a value.
  Status Append(std::string_view json, std::string* out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headrace::data::format
