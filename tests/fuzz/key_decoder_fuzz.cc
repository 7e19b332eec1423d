// Key bytes as a worker may send them: a text or a refusal, and never much more text than bytes.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "columnar/key_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string text;
  // A number of 16 bytes may have its remainder 2,000 digits behind the point.
  const bool good = headrace::columnar::AppendKeyText(bytes, &text).ok();
  if (text.size() > 64 + size * 400) std::abort();
  if (good && size == 0) std::abort();
  return 0;
}
