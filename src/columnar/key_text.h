#pragma once
#include <string>
#include <string_view>

#include "base/status.h"

namespace headrace::columnar {

/// Key bytes (docs/formats/value.md §2) as people and other programs read them; what a Kafka sink writes as message key.
/// str → its UTF-8 bytes; bytes as they are; numbers → decimal text ("1" for 1, 1.0 and True, which are one key); None → null; NaN → NaN;
/// dates and times → ISO 8601; UUID → its text; tuples and dataclasses → a compact JSON array of their parts (bytes inside as base64).
/// Equal keys give equal text; keys of different types may share one (1 and "1"). Invalid with the byte offset when the bytes are no key.
Status AppendKeyText(std::string_view key_bytes, std::string* out);

}  // namespace headrace::columnar
