#include "data/exchange/partitioner.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "columnar/key_encoding.h"
#include "columnar/key_group.h"
#include "columnar/value_column.h"

namespace headrace::data::exchange {
namespace {

using columnar::DataBatch;

DataBatch KeyedWords(const std::vector<std::string>& words) {
  columnar::ValueBatchBuilder builder(columnar::ValueForm::kUtf8);
  for (const auto& word : words) EXPECT_TRUE(builder.AppendBytes(word).ok());
  const auto values = builder.Finish().ValueOrDie().records()->column(0);
  return columnar::MakeValueBatch(columnar::ValueForm::kUtf8, values, columnar::EncodeKeyColumn(*values).ValueOrDie()).ValueOrDie();
}

std::vector<std::string> RandomWords(std::mt19937_64* random, int count) {
  std::vector<std::string> words;
  for (int i = 0; i < count; ++i) words.push_back(std::string((*random)() % 50, 'x') + std::to_string((*random)() % 300));
  return words;
}

std::string_view WordAt(const DataBatch& batch, std::int64_t row) {
  return static_cast<const arrow::LargeStringArray&>(*batch.records()->column(batch.value_column())).GetView(row);
}

TEST(HashPartitioner, EveryRowReachesTheOwnerOfItsKeyInOrder) {
  for (std::uint32_t channels : {2u, 3u, 7u, 128u}) {
    for (std::uint32_t max_parallelism : {128u, 1000u}) {
      PartitionerOptions options;
      options.scheme = PartitioningScheme::kHash;
      options.channels = channels;
      options.max_parallelism = max_parallelism;
      options.target_bytes = 2000;
      auto partitioner = MakePartitioner(options).ValueOrDie();
      std::mt19937_64 random(channels);
      std::vector<std::vector<std::string>> expected(channels), got(channels);
      std::vector<Partitioner::Piece> pieces;
      for (int i = 0; i < 20; ++i) {
        const auto words = RandomWords(&random, static_cast<int>(random() % 200));
        for (const auto& word : words) {
          std::string key;
          columnar::AppendKeyString(word, &key);
          const auto group = columnar::KeyGroupOf(columnar::HashKey(key), max_parallelism);
          expected[columnar::SubtaskOf(group, channels, max_parallelism)].push_back(word);
        }
        ASSERT_TRUE(partitioner->Add(KeyedWords(words).Slice(0, static_cast<std::int64_t>(words.size())), &pieces).ok());
      }
      ASSERT_TRUE(partitioner->Flush(&pieces).ok());
      EXPECT_FALSE(partitioner->has_pending());
      for (const auto& piece : pieces) {
        ASSERT_TRUE(piece.part.batch.records()->ValidateFull().ok()) << piece.part.batch.records()->ValidateFull().ToString();
        ASSERT_GE(piece.part.batch.key_hash_column(), 0);
        const auto& hashes =
            static_cast<const arrow::UInt64Array&>(*piece.part.batch.records()->column(piece.part.batch.key_hash_column()));
        const auto& keys = static_cast<const arrow::LargeBinaryArray&>(*piece.part.batch.records()->column(piece.part.batch.key_column()));
        for (std::int64_t row = 0; row < piece.part.batch.num_rows(); ++row) {
          got[piece.channel].emplace_back(WordAt(piece.part.batch, row));
          ASSERT_EQ(hashes.Value(row), columnar::HashKey(keys.GetView(row)));
        }
      }
      EXPECT_EQ(got, expected) << channels << " channels";
    }
  }
}

TEST(HashPartitioner, RowsForChannelsThatShareBatchesLeaveAtOnceAsParts) {
  for (const std::vector<bool>& sharing :
       {std::vector<bool>{true, true, true, true}, {false, true, true, false}, {true, false, false, true}}) {
    PartitionerOptions options;
    options.scheme = PartitioningScheme::kHash;
    options.channels = 4;
    options.sharing = sharing;
    auto partitioner = MakePartitioner(options).ValueOrDie();
    std::mt19937_64 random(5);
    std::vector<std::vector<std::string>> expected(4), got(4);
    for (int i = 0; i < 3; ++i) {
      const auto words = RandomWords(&random, 300);
      for (const auto& word : words) {
        std::string key;
        columnar::AppendKeyString(word, &key);
        expected[columnar::SubtaskOf(columnar::KeyGroupOf(columnar::HashKey(key), 128), 4, 128)].push_back(word);
      }
      std::vector<Partitioner::Piece> pieces;
      ASSERT_TRUE(partitioner->Add(KeyedWords(words), &pieces).ok());
      const arrow::RecordBatch* shared = nullptr;
      for (const auto& piece : pieces) {
        ASSERT_TRUE(sharing[piece.channel]);
        if (shared == nullptr) shared = piece.part.batch.records().get();
        EXPECT_EQ(piece.part.batch.records().get(), shared);
      }
      if (i == 2) {
        ASSERT_TRUE(partitioner->Flush(&pieces).ok());
      }
      for (const auto& piece : pieces) {
        const DataBatch batch = piece.part.ToBatch();
        ASSERT_TRUE(batch.records()->ValidateFull().ok());
        for (std::int64_t row = 0; row < batch.num_rows(); ++row) got[piece.channel].emplace_back(WordAt(batch, row));
      }
    }
    EXPECT_FALSE(partitioner->has_pending());
    EXPECT_EQ(got, expected);
  }
}

TEST(HashPartitioner, CachedHashesAreBelieved) {
  const DataBatch plain = KeyedWords({"a", "b", "c", "d"});
  arrow::UInt64Builder hashes;
  ASSERT_TRUE(hashes.AppendValues({0, 127, 0, 127}).ok());
  const auto schema = plain.records()->schema()->AddField(2, arrow::field("__key_hash", arrow::uint64())).ValueOrDie();
  const DataBatch batch(
      arrow::RecordBatch::Make(schema, 4, {plain.records()->column(0), plain.records()->column(1), hashes.Finish().ValueOrDie()}));
  PartitionerOptions options;
  options.scheme = PartitioningScheme::kHash;
  options.channels = 2;
  auto partitioner = MakePartitioner(options).ValueOrDie();
  std::vector<Partitioner::Piece> pieces;
  // Slices: indices are relative to the offset of every column.
  ASSERT_TRUE(partitioner->Add(batch.Slice(1, 3), &pieces).ok());
  ASSERT_TRUE(partitioner->Flush(&pieces).ok());
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].part.batch.num_rows(), 1);
  EXPECT_EQ(WordAt(pieces[0].part.batch, 0), "c");
  EXPECT_EQ(WordAt(pieces[1].part.batch, 0), "b");
  EXPECT_EQ(WordAt(pieces[1].part.batch, 1), "d");
  EXPECT_EQ(pieces[0].part.batch.records()->num_columns(), 3);
}

TEST(HashPartitioner, EveryColumnTypeAndNullsSurvive) {
  std::mt19937_64 random(9);
  arrow::Int64Builder keys_source, i64;
  arrow::Int8Builder i8;
  arrow::BooleanBuilder bools;
  arrow::BinaryBuilder binary;
  arrow::StringBuilder text;
  arrow::LargeBinaryBuilder large;
  arrow::FixedSizeBinaryBuilder fixed(arrow::fixed_size_binary(5));
  constexpr int kRows = 500;
  for (int i = 0; i < kRows; ++i) {
    ASSERT_TRUE(keys_source.Append(static_cast<std::int64_t>(random() % 40)).ok() && i64.Append(i).ok());
    if (random() % 4 == 0) {
      ASSERT_TRUE(i8.AppendNull().ok() && bools.AppendNull().ok() && binary.AppendNull().ok() && text.AppendNull().ok() &&
                  large.AppendNull().ok() && fixed.AppendNull().ok());
    } else {
      const std::string bytes(random() % 70, 'z');
      ASSERT_TRUE(i8.Append(static_cast<std::int8_t>(i)).ok() && bools.Append(i % 3 == 0).ok() && binary.Append(bytes).ok() &&
                  text.Append(bytes).ok() && large.Append(bytes).ok() && fixed.Append("fixed").ok());
    }
  }
  const auto keys = columnar::EncodeKeyColumn(*keys_source.Finish().ValueOrDie()).ValueOrDie();
  const auto schema =
      arrow::schema({columnar::KeyField(), arrow::field("row", arrow::int64()), arrow::field("a", arrow::int8()),
                     arrow::field("b", arrow::boolean()), arrow::field("c", arrow::binary()), arrow::field("d", arrow::utf8()),
                     arrow::field("e", arrow::large_binary()), arrow::field("f", arrow::fixed_size_binary(5))});
  const auto records = arrow::RecordBatch::Make(
      schema, kRows,
      {keys, i64.Finish().ValueOrDie(), i8.Finish().ValueOrDie(), bools.Finish().ValueOrDie(), binary.Finish().ValueOrDie(),
       text.Finish().ValueOrDie(), large.Finish().ValueOrDie(), fixed.Finish().ValueOrDie()});
  PartitionerOptions options;
  options.scheme = PartitioningScheme::kHash;
  options.channels = 3;
  options.target_bytes = 1 << 20;
  auto partitioner = MakePartitioner(options).ValueOrDie();
  std::vector<Partitioner::Piece> pieces;
  for (int from = 0; from < kRows; from += 50) ASSERT_TRUE(partitioner->Add(DataBatch(records->Slice(from, 50)), &pieces).ok());
  EXPECT_TRUE(pieces.empty());
  EXPECT_TRUE(partitioner->has_pending());
  ASSERT_TRUE(partitioner->Flush(&pieces).ok());
  std::set<std::int64_t> seen;
  for (const auto& piece : pieces) {
    const auto& got = *piece.part.batch.records();
    ASSERT_TRUE(got.ValidateFull().ok()) << got.ValidateFull().ToString();
    const auto& rows = static_cast<const arrow::Int64Array&>(*got.column(1));
    for (std::int64_t i = 0; i < got.num_rows(); ++i) {
      ASSERT_TRUE(seen.insert(rows.Value(i)).second);
      for (int column = 0; column < records->num_columns(); ++column)
        ASSERT_TRUE(got.column(column)->RangeEquals(*records->column(column), i, i + 1, rows.Value(i)))
            << "column " << column << " row " << rows.Value(i);
    }
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kRows));
}

TEST(HashPartitioner, SmallPiecesAreGatheredUntilTheTarget) {
  PartitionerOptions options;
  options.scheme = PartitioningScheme::kHash;
  options.channels = 4;
  auto partitioner = MakePartitioner(options).ValueOrDie();
  std::mt19937_64 random(2);
  std::vector<Partitioner::Piece> pieces;
  std::int64_t added = 0;
  for (int i = 0; i < 300; ++i) {
    const auto words = RandomWords(&random, 100);
    added += 100;
    ASSERT_TRUE(partitioner->Add(KeyedWords(words), &pieces).ok());
  }
  ASSERT_GT(pieces.size(), 8u);
  std::int64_t ready = 0;
  for (const auto& piece : pieces) {
    EXPECT_GE(piece.part.batch.size_bytes(), options.target_bytes);
    EXPECT_LE(piece.part.batch.size_bytes(), options.target_bytes * 2);
    ready += piece.part.batch.num_rows();
  }
  EXPECT_LT(ready, added);
  pieces.clear();
  ASSERT_TRUE(partitioner->Flush(&pieces).ok());
  for (const auto& piece : pieces) ready += piece.part.batch.num_rows();
  EXPECT_EQ(ready, added);
}

TEST(HashPartitioner, AnotherSchemaFlushesTheFirst) {
  PartitionerOptions options;
  options.scheme = PartitioningScheme::kHash;
  options.channels = 2;
  auto partitioner = MakePartitioner(options).ValueOrDie();
  std::vector<Partitioner::Piece> pieces;
  ASSERT_TRUE(partitioner->Add(KeyedWords({"a", "b", "c", "d", "e"}), &pieces).ok());
  EXPECT_TRUE(pieces.empty());
  arrow::Int64Builder ints;
  ASSERT_TRUE(ints.Append(1).ok());
  const auto column = ints.Finish().ValueOrDie();
  const auto keyed =
      columnar::MakeValueBatch(columnar::ValueForm::kInt64, column, columnar::EncodeKeyColumn(*column).ValueOrDie()).ValueOrDie();
  ASSERT_TRUE(partitioner->Add(keyed, &pieces).ok());
  std::int64_t rows = 0;
  for (const auto& piece : pieces) rows += piece.part.batch.num_rows();
  EXPECT_EQ(rows, 5);
  ASSERT_TRUE(partitioner->Flush(&pieces).ok());
  EXPECT_EQ(columnar::FormOf(*pieces.back().part.batch.records()->schema()->field(0)).ValueOrDie(), columnar::ValueForm::kInt64);
}

TEST(HashPartitioner, RowsWithoutKeysAreRefused) {
  PartitionerOptions options;
  options.scheme = PartitioningScheme::kHash;
  options.channels = 2;
  auto partitioner = MakePartitioner(options).ValueOrDie();
  columnar::ValueBatchBuilder builder(columnar::ValueForm::kInt64);
  ASSERT_TRUE(builder.AppendInt(1).ok());
  std::vector<Partitioner::Piece> pieces;
  EXPECT_FALSE(partitioner->Add(builder.Finish().ValueOrDie(), &pieces).ok());
}

TEST(Partitioner, RebalanceTakesTurnsFromItsFirstChannel) {
  PartitionerOptions options;
  options.scheme = PartitioningScheme::kRebalance;
  options.channels = 3;
  options.first_channel = 2;
  auto partitioner = MakePartitioner(options).ValueOrDie();
  std::vector<Partitioner::Piece> pieces;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(partitioner->Add(KeyedWords({"a"}), &pieces).ok());
  ASSERT_TRUE(partitioner->Add(KeyedWords({}), &pieces).ok());
  ASSERT_EQ(pieces.size(), 4u);
  EXPECT_EQ(pieces[0].channel, 2u);
  EXPECT_EQ(pieces[1].channel, 0u);
  EXPECT_EQ(pieces[2].channel, 1u);
  EXPECT_EQ(pieces[3].channel, 2u);
}

TEST(Partitioner, BroadcastSharesOneBatch) {
  PartitionerOptions options;
  options.scheme = PartitioningScheme::kBroadcast;
  options.channels = 3;
  auto partitioner = MakePartitioner(options).ValueOrDie();
  std::vector<Partitioner::Piece> pieces;
  const DataBatch batch = KeyedWords({"a"});
  ASSERT_TRUE(partitioner->Add(batch, &pieces).ok());
  ASSERT_EQ(pieces.size(), 3u);
  for (const auto& piece : pieces) EXPECT_EQ(piece.part.batch.records(), batch.records());
}

TEST(Partitioner, NonsenseOptionsAreRefused) {
  PartitionerOptions options;
  options.channels = 0;
  EXPECT_FALSE(MakePartitioner(options).ok());
  options.channels = 2;
  EXPECT_FALSE(MakePartitioner(options).ok());  // forward has one channel
  options.scheme = PartitioningScheme::kHash;
  options.max_parallelism = 1;
  EXPECT_FALSE(MakePartitioner(options).ok());
}

}  // namespace
}  // namespace headrace::data::exchange
