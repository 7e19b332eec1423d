// Any bytes as an uploaded job file: an answer or a refusal, never more.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "wire/job_file.h"
#include "wire/pickle_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  auto content = headrace::wire::ReadPickledJobGraph(input);
  if (content.ok()) {
    HR_CHECK(content->empty() || (content->data() >= input.data() && content->data() + content->size() <= input.data() + input.size()),
             "content outside the input");
    (void)headrace::wire::ReadEnvelope(*content);
  } else {
    HR_CHECK(headrace::ErrorDetail::Of(content.status()) != nullptr, "a refusal without a code");
  }
  return 0;
}
