#include "data/exchange/remote/frame.h"

#include <arrow/buffer.h>

#include <cstring>

namespace headrace::data::exchange {
namespace {

constexpr std::string_view kMagic = "HRX1";
constexpr std::size_t kMaxNameBytes = 256, kMaxJobBytes = 64, kMaxTextBytes = 1024;
constexpr std::int64_t kMaxSchemaBytes = 1 << 20;
constexpr std::int64_t kMetadataAlignment = 64;
enum ControlKind : std::uint8_t { kWatermark = 1, kWatermarkStatus = 2, kBarrier = 3, kEndOfInput = 4 };

template <typename T>
void Put(T value, std::uint8_t* out) {
  std::memcpy(out, &value, sizeof(value));
}
template <typename T>
T Get(const std::uint8_t* in) {
  T value;
  std::memcpy(&value, in, sizeof(value));
  return value;
}

std::int64_t Padded(std::int64_t bytes) { return (bytes + kMetadataAlignment - 1) / kMetadataAlignment * kMetadataAlignment; }

std::int64_t MaxBodyOf(FrameType type) {
  switch (type) {
    case FrameType::kHello:
    case FrameType::kWelcome:
      return 16 + 4 * (2 + static_cast<std::int64_t>(kMaxNameBytes));
    case FrameType::kOpen:
      return 18 + static_cast<std::int64_t>(kMaxJobBytes);
    case FrameType::kReject:
    case FrameType::kRefuse:
    case FrameType::kClose:
      return kMaxTextBytes;
    case FrameType::kAccept:
    case FrameType::kCredit:
      return 0;
    case FrameType::kSchema:
      return kMaxSchemaBytes;
    case FrameType::kData:
      return kMaxDataBytes;
    case FrameType::kControl:
      return 17;
  }
  return -1;
}

/// Reads fields from the front of a body; every read fails once one has.
class BodyReader {
 public:
  explicit BodyReader(std::string_view body) : left_(body) {}
  template <typename T>
  T Number() {
    T value{};
    const std::string_view bytes = Take(sizeof(T));
    if (good_) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  std::string Name(std::size_t max) {
    const auto size = Number<std::uint16_t>();
    if (size > max) good_ = false;
    return std::string(Take(size));
  }
  std::string_view Take(std::size_t size) {
    if (!good_ || size > left_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view bytes = left_.substr(0, size);
    left_.remove_prefix(size);
    return bytes;
  }
  bool Finished() const { return good_ && left_.empty(); }

 private:
  std::string_view left_;
  bool good_ = true;
};

template <typename T>
void Append(T value, std::string* out) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out->append(bytes, sizeof(T));
}
void AppendName(std::string_view name, std::size_t max, std::string* out) {
  name = name.substr(0, max);
  Append(static_cast<std::uint16_t>(name.size()), out);
  out->append(name);
}

}  // namespace

void EncodeHeader(const FrameHeader& header, std::uint8_t* out) {
  Put(header.body_bytes, out);
  Put(static_cast<std::uint32_t>(header.type), out + 4);
  Put(header.channel, out + 8);
  Put(header.deployment, out + 12);
  Put(header.sequence, out + 16);
  Put(header.metadata_bytes, out + 24);
  Put(std::uint32_t{0}, out + 28);
}

Result<FrameHeader> DecodeHeader(const std::uint8_t* bytes) {
  FrameHeader header;
  header.body_bytes = Get<std::uint32_t>(bytes);
  const auto type = Get<std::uint32_t>(bytes + 4);
  header.type = static_cast<FrameType>(type);
  const std::int64_t max_body = type > 0xFF ? -1 : MaxBodyOf(header.type);
  if (max_body < 0 || Get<std::uint32_t>(bytes + 28) != 0) return Status::Invalid("a frame of unknown type ", type);
  header.channel = Get<std::uint32_t>(bytes + 8);
  header.deployment = Get<std::uint32_t>(bytes + 12);
  header.sequence = Get<std::uint64_t>(bytes + 16);
  header.metadata_bytes = Get<std::uint32_t>(bytes + 24);
  if (header.body_bytes > max_body)
    return Status::Invalid("a frame of type ", type, " with ", header.body_bytes, " bytes; at most ", max_body, " are allowed");
  const bool data = header.type == FrameType::kData;
  if (data ? header.metadata_bytes == 0 || header.metadata_bytes > kMaxMetadataBytes || Padded(header.metadata_bytes) > header.body_bytes
           : header.metadata_bytes != 0)
    return Status::Invalid("a frame of type ", type, " with ", header.metadata_bytes, " bytes of metadata");
  return header;
}

std::string_view Frame::text() const {
  return body == nullptr ? std::string_view()
                         : std::string_view(reinterpret_cast<const char*>(body->data()), static_cast<std::size_t>(body->size()));
}

OutFrame MakeFrame(FrameHeader header, std::string text) {
  OutFrame frame;
  frame.text = std::move(text);
  const auto max = static_cast<std::size_t>(MaxBodyOf(header.type));
  if (frame.text.size() > max) frame.text.resize(max);
  header.body_bytes = static_cast<std::uint32_t>(frame.text.size());
  EncodeHeader(header, frame.header.data());
  frame.total_bytes = static_cast<std::int64_t>(kFrameHeaderBytes + frame.text.size());
  return frame;
}

OutFrame MakeDataFrame(FrameHeader header, columnar::EncodedBatch batch) {
  OutFrame frame;
  header.body_bytes = static_cast<std::uint32_t>(DataBodyBytes(batch));
  header.metadata_bytes = static_cast<std::uint32_t>(batch.metadata->size());
  EncodeHeader(header, frame.header.data());
  frame.metadata = std::move(batch.metadata);
  frame.buffers = std::move(batch.body);
  frame.total_bytes = static_cast<std::int64_t>(kFrameHeaderBytes) + header.body_bytes;
  return frame;
}

OutFrame MakeSchemaFrame(FrameHeader header, std::shared_ptr<arrow::Buffer> schema) { return MakeFrame(header, schema->ToString()); }

std::int64_t DataBodyBytes(const columnar::EncodedBatch& batch) { return Padded(batch.metadata->size()) + batch.body_bytes; }

Status SplitDataBody(const Frame& frame, std::shared_ptr<arrow::Buffer>* metadata, std::shared_ptr<arrow::Buffer>* body) {
  const std::int64_t body_at = Padded(frame.header.metadata_bytes);
  if (frame.body == nullptr || body_at > frame.body->size()) return Status::Invalid("a data frame shorter than its metadata");
  *metadata = arrow::SliceBuffer(frame.body, 0, frame.header.metadata_bytes);
  *body = arrow::SliceBuffer(frame.body, body_at, frame.body->size() - body_at);
  return Status::OK();
}

std::string EncodeHello(const Hello& hello) {
  std::string body(kMagic);
  Append(hello.version, &body);
  for (const auto* name : {&hello.from_task_manager, &hello.from_incarnation, &hello.to_task_manager, &hello.to_incarnation})
    AppendName(*name, kMaxNameBytes, &body);
  return body;
}

Result<Hello> DecodeHello(std::string_view body) {
  BodyReader reader(body);
  if (reader.Take(kMagic.size()) != kMagic) return Status::Invalid("not the Headrace exchange");
  Hello hello;
  hello.version = reader.Number<std::uint32_t>();
  for (auto* name : {&hello.from_task_manager, &hello.from_incarnation, &hello.to_task_manager, &hello.to_incarnation})
    *name = reader.Name(kMaxNameBytes);
  // Later versions may append fields; their version number is what the answer is about.
  if (hello.version == kExchangeVersion && !reader.Finished()) return Status::Invalid("a malformed greeting");
  return hello;
}

std::string EncodeOpen(const ChannelId& id) {
  std::string body;
  AppendName(id.job.str(), kMaxJobBytes, &body);
  for (auto number : {id.deployment, id.edge, id.producer_subtask, id.consumer_subtask}) Append(static_cast<std::uint32_t>(number), &body);
  return body;
}

Result<ChannelId> DecodeOpen(std::string_view body) {
  BodyReader reader(body);
  ChannelId id;
  id.job = JobId(reader.Name(kMaxJobBytes));
  id.deployment = reader.Number<std::uint32_t>();
  id.edge = reader.Number<std::uint32_t>();
  id.producer_subtask = reader.Number<std::uint32_t>();
  id.consumer_subtask = reader.Number<std::uint32_t>();
  if (!reader.Finished()) return Status::Invalid("a malformed channel name");
  return id;
}

std::string EncodeControl(const columnar::StreamElement& element) {
  std::uint8_t kind = kEndOfInput;
  std::uint64_t a = 0, b = 0;
  if (const auto* watermark = std::get_if<columnar::Watermark>(&element)) {
    kind = kWatermark;
    a = static_cast<std::uint64_t>(watermark->event_time_ms);
  } else if (const auto* status = std::get_if<columnar::WatermarkStatus>(&element)) {
    kind = kWatermarkStatus;
    a = status->idle ? 1 : 0;
  } else if (const auto* barrier = std::get_if<columnar::Barrier>(&element)) {
    kind = kBarrier;
    a = barrier->checkpoint_id;
    b = barrier->base_checkpoint_id;
  }
  std::string body;
  Append(kind, &body);
  Append(a, &body);
  Append(b, &body);
  return body;
}

Result<columnar::StreamElement> DecodeControl(std::string_view body) {
  BodyReader reader(body);
  const auto kind = reader.Number<std::uint8_t>();
  const auto a = reader.Number<std::uint64_t>(), b = reader.Number<std::uint64_t>();
  if (!reader.Finished()) return Status::Invalid("a malformed control element");
  switch (kind) {
    case kWatermark:
      return columnar::Watermark{static_cast<std::int64_t>(a)};
    case kWatermarkStatus:
      return columnar::WatermarkStatus{a != 0};
    case kBarrier:
      return columnar::Barrier{a, b};
    case kEndOfInput:
      return columnar::EndOfInput{};
    default:
      return Status::Invalid("a control element of unknown kind ", static_cast<int>(kind));
  }
}

}  // namespace headrace::data::exchange
