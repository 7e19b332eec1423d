#pragma once
#include <arrow/type_fwd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "columnar/ipc.h"
#include "columnar/stream_element.h"
#include "data/exchange/channel.h"

namespace headrace::data::exchange {

/// docs/formats/exchange.md describes what follows; the numbers are the format.
inline constexpr std::uint32_t kExchangeVersion = 1;
inline constexpr std::size_t kFrameHeaderBytes = 32;
inline constexpr std::int64_t kMaxDataBytes = 128 << 20;
inline constexpr std::int64_t kMaxMetadataBytes = 1 << 20;
/// By how much one write may overdraw the credit of a channel.
inline constexpr std::int64_t kMaxOverdraftBytes = 120 << 20;

enum class FrameType : std::uint8_t {
  kHello = 1,
  kWelcome = 2,
  kReject = 3,
  kOpen = 4,
  kAccept = 5,
  kRefuse = 6,
  kCredit = 7,
  kSchema = 8,
  kData = 9,
  kControl = 10,
  kClose = 11
};
/// Why an OPEN is refused.
enum class RefuseReason : std::uint64_t { kUnknown = 1, kSuperseded = 2, kTaken = 3 };
/// Why a HELLO is rejected.
enum class RejectReason : std::uint64_t { kVersion = 1, kOtherProcess = 2, kMalformed = 3 };
/// Why a channel closes.
enum class CloseReason : std::uint64_t { kBroken = 1, kReleased = 2 };

struct FrameHeader {
  std::uint32_t body_bytes = 0;
  FrameType type = FrameType::kHello;
  std::uint32_t channel = 0;
  std::uint32_t deployment = 0;
  std::uint64_t sequence = 0;  ///< of DATA, SCHEMA, CONTROL; the amount of ACCEPT and CREDIT; the reason of REFUSE, REJECT, CLOSE
  std::uint32_t metadata_bytes = 0;
};
void EncodeHeader(const FrameHeader& header, std::uint8_t* out);
/// Invalid when the type is unknown or a length exceeds what the type may have.
Result<FrameHeader> DecodeHeader(const std::uint8_t* bytes);

/// A frame that came in: its body is one buffer of its own.
struct Frame {
  FrameHeader header;
  std::shared_ptr<arrow::Buffer> body;  ///< null when empty
  std::string_view text() const;
};

/// A frame that goes out. The body is `text`, or metadata and Arrow buffers that are sent from where they lie.
struct OutFrame {
  std::array<std::uint8_t, kFrameHeaderBytes> header{};
  std::string text;
  std::shared_ptr<arrow::Buffer> metadata;
  std::vector<std::shared_ptr<arrow::Buffer>> buffers;
  std::int64_t total_bytes = 0;  ///< header and body
};
OutFrame MakeFrame(FrameHeader header, std::string text = {});
OutFrame MakeDataFrame(FrameHeader header, columnar::EncodedBatch batch);
OutFrame MakeSchemaFrame(FrameHeader header, std::shared_ptr<arrow::Buffer> schema);
/// Length of a DATA body: metadata padded to 64 bytes, then the Arrow body.
std::int64_t DataBodyBytes(const columnar::EncodedBatch& batch);
/// Parts of a DATA body, sharing it.
Status SplitDataBody(const Frame& frame, std::shared_ptr<arrow::Buffer>* metadata, std::shared_ptr<arrow::Buffer>* body);

/// First words of both sides.
struct Hello {
  std::uint32_t version = kExchangeVersion;
  std::string from_task_manager, from_incarnation, to_task_manager, to_incarnation;
};
std::string EncodeHello(const Hello& hello);
Result<Hello> DecodeHello(std::string_view body);
std::string EncodeOpen(const ChannelId& id);
Result<ChannelId> DecodeOpen(std::string_view body);
/// Control elements only.
std::string EncodeControl(const columnar::StreamElement& element);
Result<columnar::StreamElement> DecodeControl(std::string_view body);

}  // namespace headrace::data::exchange
