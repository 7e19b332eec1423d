// Bytes of a peer, cut anywhere: the first byte chooses the pieces. Whatever a frame may carry is decoded too.
#include <arrow/buffer.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "columnar/ipc.h"
#include "data/exchange/remote/frame.h"
#include "data/exchange/remote/frame_reader.h"

namespace {

using namespace headrace;                  // NOLINT: one program
using namespace headrace::data::exchange;  // NOLINT

void DecodeBody(const Frame& frame, std::shared_ptr<arrow::Schema>* schema) {
  switch (frame.header.type) {
    case FrameType::kHello:
    case FrameType::kWelcome:
      (void)DecodeHello(frame.text());
      return;
    case FrameType::kOpen:
      (void)DecodeOpen(frame.text());
      return;
    case FrameType::kControl:
      (void)DecodeControl(frame.text());
      return;
    case FrameType::kSchema: {
      if (frame.body == nullptr) return;
      auto decoded = columnar::DecodeSchema(frame.body);
      if (decoded.ok()) *schema = *decoded;
      return;
    }
    case FrameType::kData: {
      std::shared_ptr<arrow::Buffer> metadata, body;
      if (*schema == nullptr || !SplitDataBody(frame, &metadata, &body).ok()) return;
      const auto batch = columnar::DecodeBatch(*schema, metadata, body);
      // What is accepted can be read in full.
      if (batch.ok() && !batch->records()->ValidateFull().ok()) std::abort();
      return;
    }
    default:
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = data[0] == 0 ? size : data[0];
  FrameReader reader;
  reader.LimitBodies(1 << 20);
  std::shared_ptr<arrow::Schema> schema;
  std::vector<Frame> frames;
  for (std::size_t at = 1; at < size;) {
    std::array<iovec, 2> buffers;
    const int parts = reader.NextBuffers(&buffers);
    const std::size_t count = std::min(step, size - at);
    std::size_t filled = 0;
    for (int i = 0; i < parts && filled < count; ++i) {
      const std::size_t part = std::min(count - filled, buffers[static_cast<std::size_t>(i)].iov_len);
      std::memcpy(buffers[static_cast<std::size_t>(i)].iov_base, data + at + filled, part);
      filled += part;
    }
    if (filled == 0) std::abort();  // the reader must always have room
    at += filled;
    frames.clear();
    const Status status = reader.Received(filled, &frames);
    for (const Frame& frame : frames) DecodeBody(frame, &schema);
    if (!status.ok()) return 0;
  }
  return 0;
}
