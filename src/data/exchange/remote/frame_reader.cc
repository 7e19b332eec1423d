#include "data/exchange/remote/frame_reader.h"

#include <arrow/buffer.h>

#include <algorithm>
#include <cstring>

namespace headrace::data::exchange {
namespace {
// A body up to this size gets its whole buffer at once; a larger one doubles as its bytes come.
constexpr std::int64_t kFirstBodyBytes = 1 << 20;
}  // namespace

FrameReader::FrameReader() = default;
FrameReader::~FrameReader() = default;

int FrameReader::NextBuffers(std::array<iovec, 2>* buffers) {
  if (!in_body_) {
    (*buffers)[0] = {staging_.data(), staging_.size()};
    return 1;
  }
  (*buffers)[0] = {body_->mutable_data() + body_filled_, static_cast<std::size_t>(body_->size() - body_filled_)};
  if (body_->size() < header_.body_bytes) return 1;
  (*buffers)[1] = {staging_.data(), staging_.size()};
  return 2;
}

Status FrameReader::Received(std::size_t count, std::vector<Frame>* frames) {
  if (in_body_) {
    const std::size_t direct = std::min(count, static_cast<std::size_t>(body_->size() - body_filled_));
    body_filled_ += static_cast<std::int64_t>(direct);
    count -= direct;
    if (body_filled_ == header_.body_bytes)
      EndFrame(frames);
    else if (body_filled_ == body_->size())
      return GrowBody();
  }
  return EatStaged(staging_.data(), count, frames);
}

Status FrameReader::BeginBody() {
  if (header_.body_bytes > max_body_bytes_)
    return Status::Invalid("a frame of ", header_.body_bytes, " bytes where at most ", max_body_bytes_, " are allowed");
  in_body_ = true;
  body_filled_ = 0;
  return arrow::AllocateResizableBuffer(std::min<std::int64_t>(header_.body_bytes, kFirstBodyBytes)).Value(&body_);
}

Status FrameReader::GrowBody() {
  return body_->Resize(std::min<std::int64_t>(header_.body_bytes, body_->size() * 2), /*shrink_to_fit=*/false);
}

Status FrameReader::EatStaged(const std::uint8_t* bytes, std::size_t count, std::vector<Frame>* frames) {
  while (count > 0) {
    if (!in_body_) {
      const std::size_t part = std::min(count, kFrameHeaderBytes - header_filled_);
      std::memcpy(header_bytes_.data() + header_filled_, bytes, part);
      header_filled_ += part;
      bytes += part;
      count -= part;
      if (header_filled_ < kFrameHeaderBytes) return Status::OK();
      HR_ASSIGN_OR_RAISE(header_, DecodeHeader(header_bytes_.data()));
      if (header_.body_bytes == 0)
        EndFrame(frames);
      else
        HR_RETURN_NOT_OK(BeginBody());
      continue;
    }
    const std::size_t part = std::min(count, static_cast<std::size_t>(body_->size() - body_filled_));
    std::memcpy(body_->mutable_data() + body_filled_, bytes, part);
    body_filled_ += static_cast<std::int64_t>(part);
    bytes += part;
    count -= part;
    if (body_filled_ == header_.body_bytes)
      EndFrame(frames);
    else if (body_filled_ == body_->size())
      HR_RETURN_NOT_OK(GrowBody());
  }
  return Status::OK();
}

void FrameReader::EndFrame(std::vector<Frame>* frames) {
  frames->push_back({header_, std::move(body_)});
  body_.reset();
  in_body_ = false;
  header_filled_ = 0;
}

}  // namespace headrace::data::exchange
