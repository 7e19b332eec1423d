#pragma once
#include <arrow/type_fwd.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "data/exchange/remote/frame.h"

namespace headrace::data::exchange {

/// Cuts a byte stream into frames. The rest of a body is read straight into its final buffer; only what arrives behind it
/// passes through a small staging area. Memory of a body is taken as its bytes arrive for large ones, so that a header alone
/// cannot claim much. One thread. After an error the stream is unusable.
class FrameReader {
 public:
  FrameReader();
  ~FrameReader();
  /// Where the next bytes go; at least one vector is not empty. Valid until Received().
  int NextBuffers(std::array<iovec, 2>* buffers);
  /// `count` bytes were read into the buffers, in order. Appends what is complete.
  Status Received(std::size_t count, std::vector<Frame>* frames);
  /// A cap besides those of the frame types.
  void LimitBodies(std::int64_t max_body_bytes) { max_body_bytes_ = max_body_bytes; }

 private:
  Status BeginBody();
  Status GrowBody();
  Status EatStaged(const std::uint8_t* bytes, std::size_t count, std::vector<Frame>* frames);
  void EndFrame(std::vector<Frame>* frames);

  std::array<std::uint8_t, kFrameHeaderBytes> header_bytes_;
  std::size_t header_filled_ = 0;
  FrameHeader header_;
  bool in_body_ = false;
  std::shared_ptr<arrow::ResizableBuffer> body_;  // sized to what may be read next
  std::int64_t body_filled_ = 0;
  std::int64_t max_body_bytes_ = kMaxDataBytes;
  std::array<std::uint8_t, 4096> staging_;
};

}  // namespace headrace::data::exchange
