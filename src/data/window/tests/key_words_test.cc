#include "data/window/key_words.h"

#include <arrow/array.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

namespace headrace::data::window {
namespace {

std::shared_ptr<arrow::RecordBatch> Batch(const std::vector<std::pair<std::shared_ptr<arrow::Field>, std::string>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [field, json] : columns) {
    fields.push_back(field);
    arrays.push_back(arrow::json::ArrayFromJSONString(field->type(), json).ValueOrDie());
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), arrays[0]->length(), arrays);
}

/// Row numbers by key words.
std::map<std::vector<std::uint64_t>, std::vector<int>> Groups(KeyWords* keys, const arrow::RecordBatch& batch) {
  const auto words = keys->Encode(batch).ValueOrDie();
  EXPECT_EQ(words.size(), keys->words());
  std::map<std::vector<std::uint64_t>, std::vector<int>> groups;
  for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
    std::vector<std::uint64_t> key;
    for (const std::uint64_t* column : words) key.push_back(column[row]);
    groups[key].push_back(static_cast<int>(row));
  }
  return groups;
}

class KeyWordsTypes : public testing::TestWithParam<std::pair<std::shared_ptr<arrow::DataType>, const char*>> {};

/// Every type comes back as it went in, nulls included, from whole and from sliced batches.
TEST_P(KeyWordsTypes, ComeBackAsTheyWere) {
  const auto& [type, json] = GetParam();
  for (const bool nullable : {true, false}) {
    const auto field = arrow::field("k", type, nullable);
    auto batch = Batch({{field, json}});
    if (!nullable) batch = batch->Slice(1);  // the first is null
    KeyWords keys = KeyWords::Make(*batch->schema(), {"k"}).ValueOrDie();
    const auto words = keys.Encode(*batch).ValueOrDie();
    std::vector<std::vector<std::uint64_t>> rows;
    std::vector<const std::uint64_t*> pointers;
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
      rows.emplace_back();
      for (const std::uint64_t* column : words) rows.back().push_back(column[row]);
    }
    for (const auto& row : rows) pointers.push_back(row.data());
    const auto back = keys.Decode(pointers.data(), batch->num_rows()).ValueOrDie();
    ASSERT_TRUE(back[0]->ValidateFull().ok()) << back[0]->ValidateFull().ToString();
    EXPECT_TRUE(back[0]->Equals(batch->column(0))) << back[0]->ToString() << " was " << batch->column(0)->ToString();
  }
}

INSTANTIATE_TEST_SUITE_P(
    , KeyWordsTypes,
    testing::Values(std::pair(arrow::boolean(), "[null, true, false, true]"), std::pair(arrow::int8(), "[null, -128, 127]"),
                    std::pair(arrow::int16(), "[null, -32768, 5]"), std::pair(arrow::int32(), "[null, -1, 2147483647]"),
                    std::pair(arrow::int64(), "[null, -9223372036854775808, 0]"), std::pair(arrow::uint8(), "[null, 255, 0]"),
                    std::pair(arrow::uint64(), "[null, 18446744073709551615, 0]"), std::pair(arrow::float64(), "[null, 0.5, -1e300]"),
                    std::pair(arrow::float32(), "[null, 0.5, -1.25]"), std::pair(arrow::date32(), "[null, -1, 20000]"),
                    std::pair(arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"), "[null, -1, 1700000000000]"),
                    std::pair(arrow::utf8(), "[null, \"\", \"a\", \"schön\", \"a\"]"), std::pair(arrow::binary(), "[null, \"x\", \"\"]"),
                    std::pair(arrow::decimal128(20, 3), "[null, \"-0.001\", \"12345678901234567.999\"]")));

TEST(KeyWords, EqualKeysGiveEqualWords) {
  const auto f = arrow::field("f", arrow::float64());
  auto batch = Batch({{f, "[0.0, -0.0, NaN, -NaN, null, 1.0, null]"}});
  KeyWords keys = KeyWords::Make(*batch->schema(), {"f"}).ValueOrDie();
  EXPECT_EQ(Groups(&keys, *batch).size(), 4u);  // 0, NaN, null, 1
}

TEST(KeyWords, ANullIsNoValueOfItsColumn) {
  const auto a = arrow::field("a", arrow::int64()), b = arrow::field("b", arrow::utf8());
  auto batch = Batch({{a, "[0, null, 0, null]"}, {b, "[\"\", \"\", null, null]"}});
  KeyWords keys = KeyWords::Make(*batch->schema(), {"a", "b"}).ValueOrDie();
  EXPECT_EQ(Groups(&keys, *batch).size(), 4u);
}

TEST(KeyWords, WithoutColumnsAllRowsAreOneGroup) {
  auto batch = Batch({{arrow::field("a", arrow::int64()), "[1, 2, 3]"}});
  KeyWords keys = KeyWords::Make(*batch->schema(), {}).ValueOrDie();
  EXPECT_EQ(Groups(&keys, *batch).size(), 1u);
}

TEST(KeyWords, TooManyColumnsAreRefused) {
  arrow::FieldVector fields;
  std::vector<std::string> names;
  for (int i = 0; i < 9; ++i) {
    names.push_back("k" + std::to_string(i));
    fields.push_back(arrow::field(names.back(), arrow::int64(), /*nullable=*/false));
  }
  EXPECT_FALSE(KeyWords::Make(*arrow::schema(fields), names).ok());
}

}  // namespace
}  // namespace headrace::data::window
