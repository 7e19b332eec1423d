#include "columnar/ipc.h"

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace headrace::columnar {
namespace {

DataBatch SampleBatch(int rows, bool nulls) {
  arrow::Int64Builder ints;
  arrow::BooleanBuilder bools;
  arrow::LargeStringBuilder text;
  arrow::BinaryBuilder binary;
  for (int i = 0; i < rows; ++i) {
    if (nulls && i % 3 == 0) {
      EXPECT_TRUE(ints.AppendNull().ok() && bools.AppendNull().ok() && text.AppendNull().ok() && binary.AppendNull().ok());
    } else {
      EXPECT_TRUE(ints.Append(i).ok() && bools.Append(i % 2 == 0).ok() && text.Append("grün" + std::to_string(i)).ok() &&
                  binary.Append(std::string(static_cast<std::size_t>(i % 5), '\xfe')).ok());
    }
  }
  const auto schema = arrow::schema({arrow::field("i", arrow::int64()), arrow::field("b", arrow::boolean()),
                                     arrow::field("value", arrow::large_utf8()), arrow::field("x", arrow::binary())});
  return DataBatch(arrow::RecordBatch::Make(
      schema, rows, {ints.Finish().ValueOrDie(), bools.Finish().ValueOrDie(), text.Finish().ValueOrDie(), binary.Finish().ValueOrDie()}));
}

std::shared_ptr<arrow::Buffer> Joined(const EncodedBatch& encoded) {
  auto body = std::shared_ptr<arrow::Buffer>(arrow::AllocateBuffer(encoded.body_bytes).ValueOrDie());
  std::memset(body->mutable_data(), 0, static_cast<std::size_t>(body->size()));
  std::int64_t at = 0;
  for (const auto& buffer : encoded.body) {
    if (buffer == nullptr || buffer->size() == 0) continue;
    std::memcpy(body->mutable_data() + at, buffer->data(), static_cast<std::size_t>(buffer->size()));
    at += (buffer->size() + 7) / 8 * 8;
  }
  EXPECT_EQ(at, encoded.body_bytes);
  return body;
}

TEST(Ipc, BatchesComeBackEqual) {
  for (bool nulls : {false, true}) {
    for (int rows : {0, 1, 7, 1000}) {
      const DataBatch whole = SampleBatch(rows, nulls);
      for (const DataBatch& batch : {whole, whole.Slice(rows / 3, rows / 2)}) {
        const auto schema = DecodeSchema(EncodeSchema(*batch.records()->schema()).ValueOrDie()).ValueOrDie();
        EXPECT_TRUE(schema->Equals(*batch.records()->schema(), true));
        const auto encoded = EncodeBatch(batch).ValueOrDie();
        const auto decoded = DecodeBatch(schema, encoded.metadata, Joined(encoded));
        ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
        EXPECT_TRUE(decoded->records()->Equals(*batch.records()));
        EXPECT_EQ(decoded->value_column(), batch.value_column());
        EXPECT_TRUE(decoded->records()->ValidateFull().ok());
      }
    }
  }
}

TEST(Ipc, DamagedBodiesAreRefusedOrHarmless) {
  const DataBatch batch = SampleBatch(50, true);
  const auto encoded = EncodeBatch(batch).ValueOrDie();
  const auto body = Joined(encoded);
  const auto schema = batch.records()->schema();
  std::mt19937_64 random(1);
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(reinterpret_cast<const char*>(body->data()), static_cast<std::size_t>(body->size()));
    std::string metadata(reinterpret_cast<const char*>(encoded.metadata->data()), static_cast<std::size_t>(encoded.metadata->size()));
    auto& damaged = i % 2 == 0 ? bytes : metadata;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    if (i % 5 == 0) bytes.resize(random() % bytes.size());
    const auto decoded = DecodeBatch(schema, arrow::Buffer::FromString(metadata), arrow::Buffer::FromString(bytes));
    if (!decoded.ok()) ++refused;
    // What is let through can be read in full: only values may differ.
    else
      EXPECT_TRUE(decoded->records()->ValidateFull().ok()) << decoded->records()->ValidateFull().ToString();
  }
  EXPECT_GT(refused, 1000);
}

TEST(Ipc, TextThatIsNotUtf8IsRefused) {
  arrow::LargeStringBuilder text;
  ASSERT_TRUE(text.Append("a\xff").ok());
  const auto schema = arrow::schema({arrow::field("value", arrow::large_utf8())});
  const auto encoded = EncodeBatch(DataBatch(arrow::RecordBatch::Make(schema, 1, {text.Finish().ValueOrDie()}))).ValueOrDie();
  EXPECT_FALSE(DecodeBatch(schema, encoded.metadata, Joined(encoded)).ok());
  arrow::LargeStringBuilder split;  // well-formed as a whole, cut inside a character
  ASSERT_TRUE(split.Append("\xc3").ok());
  ASSERT_TRUE(split.Append("\xa4").ok());
  const auto cut = EncodeBatch(DataBatch(arrow::RecordBatch::Make(schema, 2, {split.Finish().ValueOrDie()}))).ValueOrDie();
  EXPECT_FALSE(DecodeBatch(schema, cut.metadata, Joined(cut)).ok());
}

TEST(Ipc, CompressedBatchesAreNotInflated) {
  auto codec = arrow::util::Codec::Create(arrow::Compression::ZSTD);
  if (!codec.ok()) return;
  arrow::LargeStringBuilder text;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(text.Append(std::string(1000, 'a')).ok());
  const auto schema = arrow::schema({arrow::field("value", arrow::large_utf8())});
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.codec = std::shared_ptr<arrow::util::Codec>(std::move(*codec));
  arrow::ipc::IpcPayload payload;
  ASSERT_TRUE(
      arrow::ipc::GetRecordBatchPayload(*arrow::RecordBatch::Make(schema, 1000, {text.Finish().ValueOrDie()}), options, &payload).ok());
  const EncodedBatch encoded{payload.metadata, payload.body_buffers, payload.body_length};
  EXPECT_FALSE(DecodeBatch(schema, encoded.metadata, Joined(encoded)).ok());
}

TEST(Ipc, SchemasThatCannotTravelAreRefused) {
  EXPECT_FALSE(EncodeSchema(*arrow::schema({arrow::field("l", arrow::list(arrow::int64()))})).ok());
  EXPECT_FALSE(EncodeSchema(*arrow::schema({arrow::field("d", arrow::dictionary(arrow::int32(), arrow::utf8()))})).ok());
  EXPECT_FALSE(DecodeSchema(arrow::Buffer::FromString("not a schema")).ok());
  EXPECT_FALSE(DecodeSchema(arrow::Buffer::FromString("")).ok());
}

}  // namespace
}  // namespace headrace::columnar
