#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "columnar/value_encoding.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const bool decoded = headrace::columnar::DecodeValue(bytes).ok();
  std::string json;
  // JSON refuses a little more (dicts inside keys), never less.
  if (headrace::columnar::AppendJson(bytes, &json).ok() && !decoded) std::abort();
  if (headrace::columnar::ReprOf(bytes, 50).size() > 50 * 4 + 3) std::abort();
  return 0;
}
