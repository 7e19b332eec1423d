#include "data/python/batch_block.h"

#include <arrow/buffer.h>
#include <arrow/type.h>

#include <cstring>

#include "base/random.h"
#include "data/python/tests/worker_support.h"

namespace headrace::data::python {
namespace {

std::shared_ptr<arrow::Buffer> Write(const columnar::DataBatch& batch, const ReduceInput* reduce = nullptr) {
  auto writer = BlockWriter::Make(batch, reduce).ValueOrDie();
  std::shared_ptr<arrow::Buffer> bytes = arrow::AllocateBuffer(static_cast<std::int64_t>(writer.size())).ValueOrDie();
  std::memset(bytes->mutable_data(), 0xAA, static_cast<std::size_t>(bytes->size()));
  writer.Write(bytes->mutable_data());
  return bytes;
}

std::vector<columnar::DataBatch> BatchesOfAllForms() {
  using columnar::ValueForm;
  std::vector<columnar::DataBatch> batches{TextBatch({"a", "", "žluť", std::string(5000, 'x')})};
  columnar::ValueBatchBuilder ints(ValueForm::kInt64), floats(ValueForm::kFloat64), bools(ValueForm::kBool), bytes(ValueForm::kRawBytes);
  for (int i = 0; i < 19; ++i) {
    EXPECT_TRUE(ints.AppendInt(i * 1'000'000'007LL).ok() && floats.AppendFloat(i / 3.0).ok() && bools.AppendBool(i % 3 == 0).ok() &&
                bytes.AppendBytes(std::string(static_cast<std::size_t>(i), '\xff')).ok());
  }
  batches.push_back(ints.Finish().ValueOrDie());
  batches.push_back(floats.Finish().ValueOrDie());
  batches.push_back(bools.Finish().ValueOrDie());
  batches.push_back(bytes.Finish().ValueOrDie());
  return batches;
}

TEST(BatchBlock, EveryFormAndEverySliceComesBack) {
  for (const auto& batch : BatchesOfAllForms()) {
    for (std::int64_t offset = 0; offset <= batch.num_rows(); offset += 3) {
      const auto slice = batch.Slice(offset, batch.num_rows() - offset);
      auto result = ReadBlock(Write(slice), {});
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_TRUE(result->batch.records()->ValidateFull().ok());
      EXPECT_TRUE(result->batch.records()->Equals(*slice.records())) << slice.records()->ToString();
    }
  }
}

TEST(BatchBlock, AnAnswerWithOtherRowsOrColumnsIsRefused) {
  const auto bytes = Write(TextBatch({"a", "b"}));
  EXPECT_TRUE(ReadBlock(bytes, {}).ok());
  EXPECT_FALSE(ReadBlock(bytes, {true, -1, -1}).ok());
  EXPECT_FALSE(ReadBlock(bytes, {false, 3, -1}).ok());
  EXPECT_FALSE(ReadBlock(bytes, {false, -1, 2}).ok());
}

TEST(BatchBlock, ALyingWorkerIsRefusedWithoutHarm) {
  SeededRandom random(11);
  for (const auto& batch : BatchesOfAllForms()) {
    const auto good = Write(batch);
    for (int round = 0; round < 3000; ++round) {
      std::shared_ptr<arrow::Buffer> bad = arrow::AllocateBuffer(good->size()).ValueOrDie();
      std::memcpy(bad->mutable_data(), good->data(), static_cast<std::size_t>(good->size()));
      // Mostly the headers, where the lies are dangerous.
      const std::uint64_t reach = random.Uniform(4) == 0 ? static_cast<std::uint64_t>(good->size()) : 64;
      for (std::uint64_t i = 0; i <= random.Uniform(3); ++i) {
        const std::uint64_t at = random.Uniform(reach);
        bad->mutable_data()[at] = random.Uniform(2) == 0 ? static_cast<std::uint8_t>(random.NextUint64()) : 0xff;
      }
      if (random.Uniform(3) == 0)
        bad = arrow::SliceBuffer(bad, 0, static_cast<std::int64_t>(random.Uniform(static_cast<std::uint64_t>(good->size()))));
      auto result = ReadBlock(bad, {});
      if (result.ok()) {
        EXPECT_TRUE(result->batch.records()->ValidateFull().ok());
        (void)Rows(result->batch);
      }
    }
  }
}

TEST(BatchBlock, TextThatIsNotUtf8IsRefused) {
  auto bytes = Write(TextBatch({"ab", "é"}));
  EXPECT_TRUE(ReadBlock(bytes, {}).ok());
  std::uint64_t data_at = 0;
  std::memcpy(&data_at, bytes->data() + 8 + 24, 8);
  bytes->mutable_data()[data_at] = 0xC3;
  EXPECT_FALSE(ReadBlock(bytes, {}).ok());
}

}  // namespace
}  // namespace headrace::data::python
