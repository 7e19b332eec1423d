#include "plan/process.h"

#include <algorithm>

namespace headrace::plan {

bool IsNativeName(const std::string& name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 100 && name.front() != '-' && std::all_of(name.begin(), name.end(), plain);
}

}  // namespace headrace::plan
