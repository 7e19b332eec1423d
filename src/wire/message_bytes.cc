#include "wire/message_bytes.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <limits>

#include "base/logging.h"

namespace headrace::wire {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

/// Broken input is answered to who sent it; protobuf's own lines about it would only fill the error stream.
void OnProtobufLog(google::protobuf::LogLevel level, const char*, int, const std::string& message) {
  if (level == google::protobuf::LOGLEVEL_FATAL)
    LogError("protobuf", message);
  else
    LogDebug("protobuf", message);
}

/// Walks one message without building it. False when the bytes are malformed or the budget is used up.
bool CountFields(const Descriptor& type, google::protobuf::io::CodedInputStream* in, std::size_t* budget) {
  while (const std::uint32_t tag = in->ReadTag()) {
    if (*budget == 0) return false;
    --*budget;
    const FieldDescriptor* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    const bool nested = field != nullptr && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
                        WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
    if (!nested) {
      if (!WireFormatLite::SkipField(in, tag)) return false;
      continue;
    }
    int size = 0;
    if (!in->ReadVarintSizeAsInt(&size)) return false;
    const auto limit = in->PushLimit(size);
    if (!CountFields(*field->message_type(), in, budget) || in->BytesUntilLimit() != 0) return false;
    in->PopLimit(limit);
  }
  return in->ConsumedEntireMessage();
}

}  // namespace

Status ParseWithin(std::size_t max_fields, std::string_view bytes, std::string_view what, ErrorCode code,
                   google::protobuf::Message* message) {
  [[maybe_unused]] static const bool log_redirected = (google::protobuf::SetLogHandler(&OnProtobufLog), true);
  constexpr std::size_t kMaxInt = std::numeric_limits<int>::max();
  const int size = static_cast<int>(std::min(bytes.size(), kMaxInt));
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()), size);
  std::size_t budget = max_fields;
  if (bytes.size() > kMaxInt || !CountFields(*message->GetDescriptor(), &in, &budget)) {
    if (budget == 0) return Error(code, fmt::format("{} has more than {} fields", what, max_fields));
    return Error(code, fmt::format("{} cannot be decoded", what));
  }
  if (!message->ParseFromArray(bytes.data(), size)) return Error(code, fmt::format("{} cannot be decoded", what));
  return Status::OK();
}

std::string StableBytes(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.SetSerializationDeterministic(true);
  HR_CHECK(message.SerializeToCodedStream(&out));
  out.Trim();
  return bytes;
}

}  // namespace headrace::wire
