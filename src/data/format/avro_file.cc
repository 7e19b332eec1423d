#include "data/format/avro_file.h"

#include <arrow/buffer.h>
#include <arrow/io/file.h>
#include <arrow/record_batch.h>
#include <arrow/util/compression.h>
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <utility>

#include "data/format/avro_rows.h"
#include "data/format/record_decoder.h"

namespace headrace::data::format {
namespace {

constexpr std::string_view kMagic("Obj\1", 4);
constexpr std::size_t kSyncBytes = 16;
constexpr std::int64_t kMaxBlock = 64 << 20, kMaxHeader = 2 << 20;
constexpr std::int64_t kChunk = 256 << 10;

/// Raw deflate, without a header.
Status Inflate(std::string_view packed, std::string* out) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return Status::OutOfMemory("zlib");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  out->clear();
  int result = Z_OK;
  while (result == Z_OK && static_cast<std::int64_t>(out->size()) <= kMaxBlock) {
    const std::size_t before = out->size();
    out->resize(before + std::max<std::size_t>(packed.size() * 2, 4096));
    stream.next_out = reinterpret_cast<Bytef*>(out->data() + before);
    stream.avail_out = static_cast<uInt>(out->size() - before);
    result = inflate(&stream, Z_NO_FLUSH);
    out->resize(out->size() - stream.avail_out);
    if (result == Z_OK && stream.avail_in == 0 && stream.avail_out != 0) result = Z_DATA_ERROR;
  }
  inflateEnd(&stream);
  if (result == Z_OK) return Status::Invalid("a block is larger than ", kMaxBlock, " bytes");
  return result == Z_STREAM_END ? Status::OK() : Status::Invalid("a block is not what deflate makes");
}

Status Decompress(arrow::util::Codec* codec, std::string_view packed, std::int64_t size, std::string* out) {
  if (size < 0 || size > kMaxBlock) return Status::Invalid("a block is larger than ", kMaxBlock, " bytes");
  out->resize(static_cast<std::size_t>(size));
  HR_ASSIGN_OR_RAISE(const std::int64_t got,
                     codec->Decompress(static_cast<std::int64_t>(packed.size()), reinterpret_cast<const std::uint8_t*>(packed.data()), size,
                                       reinterpret_cast<std::uint8_t*>(out->data())));
  return got == size ? Status::OK() : Status::Invalid("a block has another size than it says");
}

/// What snappy says of the size: a varint in front.
std::int64_t SnappySize(std::string_view packed) {
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < packed.size() && i < 5; ++i) {
    size |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(packed[i]) & 0x7F) << (7 * i);
    if ((packed[i] & 0x80) == 0) return static_cast<std::int64_t>(size);
  }
  return -1;
}

/// zstandard frames need not say their size: room is doubled until they fit.
Status Unzstd(arrow::util::Codec* codec, std::string_view packed, std::string* out) {
  HR_ASSIGN_OR_RAISE(const auto stream, codec->MakeDecompressor());
  out->clear();
  std::size_t taken = 0;
  while (!stream->IsFinished()) {
    const std::size_t before = out->size();
    if (static_cast<std::int64_t>(before) > kMaxBlock) return Status::Invalid("a block is larger than ", kMaxBlock, " bytes");
    out->resize(before + std::max<std::size_t>(packed.size() * 4, 4096));
    HR_ASSIGN_OR_RAISE(
        const auto step,
        stream->Decompress(static_cast<std::int64_t>(packed.size() - taken), reinterpret_cast<const std::uint8_t*>(packed.data() + taken),
                           static_cast<std::int64_t>(out->size() - before), reinterpret_cast<std::uint8_t*>(out->data() + before)));
    taken += static_cast<std::size_t>(step.bytes_read);
    out->resize(before + static_cast<std::size_t>(step.bytes_written));
    if (step.bytes_read == 0 && step.bytes_written == 0 && !step.need_more_output && !stream->IsFinished())
      return Status::Invalid("a block is not what zstandard makes");
  }
  return Status::OK();
}

}  // namespace

struct AvroFileRows::State {
  std::shared_ptr<arrow::io::RandomAccessFile> file;
  std::string path;
  std::int64_t position = 0;  ///< of the file, read next
  std::string sync, codec_name, schema_text, unpacked;
  std::unique_ptr<arrow::util::Codec> codec;
  std::unique_ptr<AvroRowDecoder> rows;
  std::unique_ptr<const AvroPlan> plan;
  std::shared_ptr<arrow::Buffer> chunk;  ///< from chunk_at on
  std::int64_t chunk_at = 0;

  Status Bad(std::string_view why) const {
    return Error(ErrorCode::kBadRecord, fmt::format("file \"{:.500}\" is no whole Avro file: {} (byte {})", path, why, position),
                 "Write it anew, or leave it out of the source's path.");
  }
  Status Failed(const Status& status) const {
    return Error(ErrorCode::kConnectorIo, fmt::format("file \"{:.500}\" cannot be read: {:.500}", path, status.message()));
  }

  /// `size` bytes from the position on, fewer at the end of the file. Valid until the next call.
  Result<std::string_view> Peek(std::int64_t size) {
    if (chunk == nullptr || position < chunk_at || position + size > chunk_at + chunk->size()) {
      auto read = file->ReadAt(position, std::max(size, kChunk));
      if (!read.ok()) return Failed(read.status());
      chunk = std::move(*read);
      chunk_at = position;
    }
    const std::string_view all(reinterpret_cast<const char*>(chunk->data()), static_cast<std::size_t>(chunk->size()));
    return all.substr(static_cast<std::size_t>(position - chunk_at), static_cast<std::size_t>(size));
  }
  Result<std::string_view> Take(std::int64_t size) {
    HR_ASSIGN_OR_RAISE(const std::string_view bytes, Peek(size));
    if (static_cast<std::int64_t>(bytes.size()) < size) return Bad("it ends too early");
    position += size;
    return bytes;
  }
  Result<std::int64_t> Long() {
    HR_ASSIGN_OR_RAISE(const std::string_view bytes, Peek(10));
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bits |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[i]) & 0x7F) << (7 * i);
      if ((bytes[i] & 0x80) != 0) continue;
      position += static_cast<std::int64_t>(i) + 1;
      return static_cast<std::int64_t>(bits >> 1) ^ -static_cast<std::int64_t>(bits & 1);
    }
    return Bad("a number is cut off");
  }
  Result<std::string> Text() {
    HR_ASSIGN_OR_RAISE(const std::int64_t size, Long());
    if (size < 0 || size > kMaxHeader) return Bad("its header is not readable");
    HR_ASSIGN_OR_RAISE(const std::string_view bytes, Take(size));
    return std::string(bytes);
  }

  /// A map of bytes with the schema and the codec, then the mark that stands behind each block.
  Status ReadHeader() {
    HR_ASSIGN_OR_RAISE(const std::string_view magic, Peek(4));
    if (magic != kMagic) return Bad("it does not begin with \"Obj\" and 1");
    position = 4;
    while (true) {
      HR_ASSIGN_OR_RAISE(std::int64_t entries, Long());
      if (entries == 0) break;
      if (entries < -10'000 || entries > 10'000) return Bad("its header is not readable");
      if (entries < 0) {
        entries = -entries;
        HR_ASSIGN_OR_RAISE([[maybe_unused]] const std::int64_t bytes, Long());
      }
      for (; entries > 0; --entries) {
        HR_ASSIGN_OR_RAISE(const std::string key, Text());
        HR_ASSIGN_OR_RAISE(std::string value, Text());
        if (key == "avro.schema") schema_text = std::move(value);
        if (key == "avro.codec") codec_name = value == "null" ? "" : value;
        if (position > kMaxHeader) return Bad("its header is larger than 2 MiB");
      }
    }
    HR_ASSIGN_OR_RAISE(const std::string_view mark, Take(kSyncBytes));
    sync = mark;
    return Status::OK();
  }

  Status Start(std::int64_t from, std::shared_ptr<arrow::Schema> schema) {
    HR_RETURN_NOT_OK(ReadHeader());
    if (codec_name == "snappy" || codec_name == "zstandard") {
      HR_ASSIGN_OR_RAISE(codec, arrow::util::Codec::Create(codec_name == "snappy" ? arrow::Compression::SNAPPY : arrow::Compression::ZSTD));
    } else if (!codec_name.empty() && codec_name != "deflate") {
      return Bad(fmt::format("its codec is \"{:.40}\"; null, deflate, snappy and zstandard are read", codec_name));
    }
    HR_ASSIGN_OR_RAISE(rows, AvroRowDecoder::Make(schema));
    auto written = AvroSchema::Parse(schema_text);
    if (!written.ok()) return Bad(written.status().message());
    auto made = rows->PlanFor(std::move(*written));
    if (!made.ok())
      return Error(ErrorCode::kBadRecord, fmt::format("file \"{:.500}\": {}", path, made.status().message()),
                   "Declare the columns as the file has them.");
    plan = std::move(*made);
    if (from > 0) position = from;
    return Status::OK();
  }

  Result<std::string_view> Unpacked(std::string_view block) {
    if (codec_name.empty()) return block;
    Status status;
    if (codec_name == "deflate") {
      status = Inflate(block, &unpacked);
    } else if (codec_name == "snappy") {
      if (block.size() < 4) return Bad("a block is cut off");
      block.remove_suffix(4);  // its checksum
      status = Decompress(codec.get(), block, SnappySize(block), &unpacked);
    } else {
      status = Unzstd(codec.get(), block, &unpacked);
    }
    if (!status.ok()) return Bad(status.message());
    return std::string_view(unpacked);
  }

  Status ReadBlock(const OnBad& on_bad) {
    const std::int64_t start = position;
    HR_ASSIGN_OR_RAISE(std::int64_t records, Long());
    HR_ASSIGN_OR_RAISE(const std::int64_t size, Long());
    if (records < 0 || size < 0 || size > kMaxBlock) return Bad("a block's head is not readable");
    // Block and mark at once, so that both stay in the chunk.
    HR_ASSIGN_OR_RAISE(const std::string_view whole, Take(size + static_cast<std::int64_t>(kSyncBytes)));
    if (whole.substr(static_cast<std::size_t>(size)) != sync) return Bad("the mark behind a block is another one");
    HR_ASSIGN_OR_RAISE(std::string_view bytes, Unpacked(whole.substr(0, static_cast<std::size_t>(size))));
    if (records > static_cast<std::int64_t>(bytes.size()) && records > (1 << 20)) return Bad("a block has more records than bytes");
    for (; records > 0; --records) {
      const std::string_view before = bytes;
      const Status status = rows->AppendFront(&bytes, *plan);
      if (status.ok()) continue;
      if (!status.IsInvalid()) return status;
      HR_RETURN_NOT_OK(on_bad(start, status.message(), before.substr(0, before.size() - bytes.size())));
      if (bytes.empty()) break;
    }
    return bytes.empty() || records > 0 ? Status::OK() : Bad("bytes follow the last record of a block");
  }

  bool full() const { return rows->num_rows() >= RecordDecoder::kBatchRows || rows->size_bytes() >= RecordDecoder::kBatchBytes; }
};

AvroFileRows::AvroFileRows(std::unique_ptr<State> state) : state_(std::move(state)) {}
AvroFileRows::~AvroFileRows() = default;
std::int64_t AvroFileRows::position() const { return state_->position; }

Result<std::unique_ptr<AvroFileRows>> AvroFileRows::Open(const std::string& path, std::int64_t position,
                                                         std::shared_ptr<arrow::Schema> schema) {
  auto file = arrow::io::ReadableFile::Open(path);
  if (!file.ok()) return Error(ErrorCode::kConnectorIo, fmt::format("file \"{:.500}\" cannot be read: {}", path, file.status().message()));
  return Open(std::move(*file), path, position, std::move(schema));
}

Result<std::unique_ptr<AvroFileRows>> AvroFileRows::Open(std::shared_ptr<arrow::io::RandomAccessFile> file, const std::string& path,
                                                         std::int64_t position, std::shared_ptr<arrow::Schema> schema) {
  auto state = std::make_unique<State>();
  state->file = std::move(file);
  state->path = path;
  HR_RETURN_NOT_OK(state->Start(position, std::move(schema)));
  return std::unique_ptr<AvroFileRows>(new AvroFileRows(std::move(state)));
}

Result<std::shared_ptr<arrow::RecordBatch>> AvroFileRows::Next(const OnBad& on_bad) {
  while (!state_->full()) {
    HR_ASSIGN_OR_RAISE(const std::string_view more, state_->Peek(1));
    if (more.empty()) break;
    HR_RETURN_NOT_OK(state_->ReadBlock(on_bad));
  }
  if (state_->rows->num_rows() == 0) return nullptr;
  return state_->rows->Finish();
}

}  // namespace headrace::data::format
