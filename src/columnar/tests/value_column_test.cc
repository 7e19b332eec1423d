#include "columnar/value_column.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cmath>

#include "columnar/key_encoding.h"
#include "columnar/value_encoding.h"

namespace headrace::columnar {
namespace {

std::string Text(const ValueRowReader& reader, std::int64_t row) {
  std::string out;
  EXPECT_TRUE(reader.AppendRowText(row, &out).ok());
  return out;
}
std::string Json(const ValueRowReader& reader, std::int64_t row) {
  std::string out;
  EXPECT_TRUE(reader.AppendRowJson(row, &out).ok());
  return out;
}
std::string Encoded(const ValueRowReader& reader, std::int64_t row) {
  std::string out;
  EXPECT_TRUE(reader.AppendRowEncoded(row, &out).ok());
  return out;
}

TEST(ValueColumn, FieldsTellTheirForm) {
  for (auto form :
       {ValueForm::kEncoded, ValueForm::kUtf8, ValueForm::kInt64, ValueForm::kFloat64, ValueForm::kBool, ValueForm::kRawBytes}) {
    EXPECT_EQ(FormOf(*ValueField(form)).ValueOrDie(), form);
    EXPECT_EQ(ValueField(form)->name(), "value");
  }
  EXPECT_FALSE(FormOf(*arrow::field("value", arrow::int8())).ok());
  EXPECT_EQ(FormOf(*KeyField()).ValueOrDie(), ValueForm::kRawBytes);
}

TEST(ValueColumn, BuilderIsReusedWithoutLeftovers) {
  ValueBatchBuilder builder(ValueForm::kUtf8);
  ASSERT_TRUE(builder.AppendBytes("ab").ok());
  ASSERT_TRUE(builder.AppendBytes("").ok());
  EXPECT_EQ(builder.num_rows(), 2);
  EXPECT_EQ(builder.size_bytes(), 2 + 24);
  const DataBatch first = builder.Finish().ValueOrDie();
  EXPECT_EQ(builder.num_rows(), 0);
  ASSERT_TRUE(builder.AppendBytes("c").ok());
  const DataBatch second = builder.Finish().ValueOrDie();
  EXPECT_EQ(first.num_rows(), 2);
  EXPECT_EQ(first.value_column(), 0);
  EXPECT_EQ(first.size_bytes(), 2 + 24);
  const auto reader = ValueRowReader::Make(second).ValueOrDie();
  EXPECT_EQ(second.num_rows(), 1);
  EXPECT_EQ(Text(reader, 0), "c");
  EXPECT_TRUE(first.records()->ValidateFull().ok());
  EXPECT_TRUE(builder.Finish().ValueOrDie().records()->ValidateFull().ok());
}

TEST(ValueColumn, BuilderRefusesOtherFormsAndBadText) {
  ValueBatchBuilder builder(ValueForm::kUtf8);
  EXPECT_FALSE(builder.AppendInt(1).ok());
  EXPECT_FALSE(builder.AppendBytes("a\xff").ok());
  EXPECT_FALSE(builder.AppendBytes("\xed\xa0\x80").ok());
  EXPECT_EQ(builder.num_rows(), 0);
  EXPECT_FALSE(ValueBatchBuilder(ValueForm::kInt64).AppendBytes("1").ok());
}

TEST(ValueColumn, RowsReadTheSameInEveryForm) {
  ValueBatchBuilder ints(ValueForm::kInt64), floats(ValueForm::kFloat64), bools(ValueForm::kBool), raw(ValueForm::kRawBytes),
      encoded(ValueForm::kEncoded), text(ValueForm::kUtf8);
  ASSERT_TRUE(ints.AppendInt(-5).ok());
  ASSERT_TRUE(floats.AppendFloat(2.5).ok());
  ASSERT_TRUE(floats.AppendFloat(std::nan("")).ok());
  ASSERT_TRUE(bools.AppendBool(true).ok());
  ASSERT_TRUE(raw.AppendBytes("\xff").ok());
  ASSERT_TRUE(text.AppendBytes("a\"b").ok());
  std::string tuple;
  ValueWriter writer(&tuple);
  writer.TupleHeader(2);
  writer.String("w");
  writer.Int(3);
  ASSERT_TRUE(encoded.AppendBytes(tuple).ok());
  std::string str;
  ValueWriter(&str).String("plain");
  ASSERT_TRUE(encoded.AppendBytes(str).ok());
  auto check = [](ValueBatchBuilder& builder, std::int64_t row, const char* expected_text, const char* expected_json, const char* repr) {
    const DataBatch batch = builder.Finish().ValueOrDie();
    const auto reader = ValueRowReader::Make(batch).ValueOrDie();
    EXPECT_EQ(Text(reader, row), expected_text);
    EXPECT_EQ(Json(reader, row), expected_json);
    EXPECT_EQ(reader.RowRepr(row), repr);
    std::string json;
    EXPECT_TRUE(AppendJson(Encoded(reader, row), &json).ok());
    EXPECT_EQ(json, expected_json);
    // A slice reads the same rows.
    const DataBatch slice = batch.Slice(row, 1);
    EXPECT_EQ(Text(ValueRowReader::Make(slice).ValueOrDie(), 0), expected_text);
  };
  check(ints, 0, "-5", "-5", "-5");
  check(floats, 1, "null", "null", "nan");
  check(bools, 0, "true", "true", "True");
  check(raw, 0, "\xff", "\"/w==\"", "b'\\xff'");
  check(text, 0, "a\"b", "\"a\\\"b\"", "'a\"b'");
  check(encoded, 1, "plain", "\"plain\"", "'plain'");
}

TEST(ValueColumn, KeyedBatchKnowsItsColumns) {
  ValueBatchBuilder builder(ValueForm::kUtf8);
  for (auto word : {"a", "bb", "a"}) ASSERT_TRUE(builder.AppendBytes(word).ok());
  const DataBatch plain = builder.Finish().ValueOrDie();
  const auto values = plain.records()->column(0);
  const auto keys = EncodeKeyColumn(*values).ValueOrDie();
  const DataBatch keyed = MakeValueBatch(ValueForm::kUtf8, values, keys).ValueOrDie();
  EXPECT_EQ(keyed.value_column(), 0);
  EXPECT_EQ(keyed.key_column(), 1);
  EXPECT_EQ(keyed.key_hash_column(), -1);
  EXPECT_EQ(plain.key_column(), -1);
  EXPECT_FALSE(MakeValueBatch(ValueForm::kInt64, values).ok());
  EXPECT_FALSE(MakeValueBatch(ValueForm::kUtf8, values, keys->Slice(1)).ok());
  EXPECT_EQ(keyed.Slice(1, 2).num_rows(), 2);
  EXPECT_LT(keyed.Slice(1, 1).size_bytes(), keyed.size_bytes());
}

TEST(ValueColumn, ABatchWithoutValueColumnIsTyped) {
  const auto schema = arrow::schema({arrow::field("other", arrow::int64()), arrow::field("text", arrow::utf8())});
  arrow::Int64Builder numbers;
  arrow::StringBuilder texts;
  ASSERT_TRUE(numbers.AppendValues({7, 8}).ok() && texts.Append("a").ok() && texts.AppendNull().ok());
  const auto batch = arrow::RecordBatch::Make(schema, 2, arrow::ArrayVector{numbers.Finish().ValueOrDie(), texts.Finish().ValueOrDie()});
  const ValueRowReader reader = ValueRowReader::Make(DataBatch(batch)).ValueOrDie();
  std::string text;
  ASSERT_TRUE(reader.AppendRowText(0, &text).ok() && reader.AppendRowText(1, &text).ok());
  EXPECT_EQ(text, R"({"other":7,"text":"a"}{"other":8,"text":null})");
  arrow::UInt64Builder unsigned_numbers;
  ASSERT_TRUE(unsigned_numbers.AppendValues({7, 9223372036854775807u, 9223372036854775808u, 18446744073709551615u}).ok());
  const auto wide = arrow::RecordBatch::Make(arrow::schema({arrow::field("u", arrow::uint64())}), 4,
                                             arrow::ArrayVector{unsigned_numbers.Finish().ValueOrDie()});
  const ValueRowReader wide_reader = ValueRowReader::Make(DataBatch(wide)).ValueOrDie();
  const char* const texts_of[] = {"7", "9223372036854775807", "9223372036854775808", "18446744073709551615"};
  for (std::int64_t row = 0; row < 4; ++row) {
    std::string encoded;
    ASSERT_TRUE(wide_reader.AppendRowEncoded(row, &encoded).ok());
    EXPECT_EQ(ReprOf(encoded), std::string("{'u': ") + texts_of[row] + "}");
  }
  EXPECT_FALSE(static_cast<bool>(DataBatch()));
  EXPECT_EQ(DataBatch().num_rows(), 0);
}

}  // namespace
}  // namespace headrace::columnar
