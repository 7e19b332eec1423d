// docs/formats/value_vectors.json is the format as bytes: Python reads the same file.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "columnar/key_encoding.h"
#include "columnar/value_encoding.h"

namespace headrace::columnar {
namespace {

const nlohmann::json& Vectors() {
  static const nlohmann::json vectors = [] {
    std::ifstream file(std::string(HEADRACE_SOURCE_DIR) + "/docs/formats/value_vectors.json");
    return nlohmann::json::parse(file);
  }();
  return vectors;
}

std::string Hex(const nlohmann::json& hex) {
  const auto text = hex.get<std::string>();
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) out.push_back(static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return out;
}

/// Writes the kinds that C++ makes itself; false for the others.
bool Rewrite(const Value& value, ValueWriter* writer) {
  switch (value.tag) {
    case ValueTag::kNone:
      writer->None();
      return true;
    case ValueTag::kFalse:
    case ValueTag::kTrue:
      writer->Bool(value.tag == ValueTag::kTrue);
      return true;
    case ValueTag::kInt:
      writer->Int(value.integer);
      return true;
    case ValueTag::kFloat:
      writer->Float(value.real);
      return true;
    case ValueTag::kString:
      writer->String(value.text);
      return true;
    case ValueTag::kBytes:
      writer->Bytes(value.text);
      return true;
    case ValueTag::kTuple:
      writer->TupleHeader(value.items.size());
      break;
    case ValueTag::kList:
      writer->ListHeader(value.items.size());
      break;
    case ValueTag::kDict:
      writer->DictHeader(value.items.size() / 2);
      break;
    default:
      return false;
  }
  for (const Value& item : value.items) {
    if (!Rewrite(item, writer)) return false;
  }
  return true;
}

/// The key of the kinds that have a native column form; empty for the others.
std::string NativeKey(const Value& value) {
  std::string key;
  switch (value.tag) {
    case ValueTag::kNone:
      AppendKeyNone(&key);
      break;
    case ValueTag::kFalse:
    case ValueTag::kTrue:
      AppendKeyBool(value.tag == ValueTag::kTrue, &key);
      break;
    case ValueTag::kInt:
      AppendKeyInt(value.integer, &key);
      break;
    case ValueTag::kFloat:
      AppendKeyFloat(value.real, &key);
      break;
    case ValueTag::kString:
      AppendKeyString(value.text, &key);
      break;
    case ValueTag::kBytes:
      AppendKeyBytes(value.text, &key);
      break;
    default:
      break;
  }
  return key;
}

TEST(GoldenVectors, ValuesAreReadRewrittenAndRendered) {
  int rewritten = 0, keys = 0;
  for (const auto& vector : Vectors().at("values")) {
    SCOPED_TRACE(vector.dump());
    if (!vector.contains("value_hex")) continue;  // Python refuses to encode it
    const std::string bytes = Hex(vector.at("value_hex"));
    const auto value = DecodeValue(bytes);
    ASSERT_TRUE(value.ok()) << value.status().ToString();
    std::string again;
    ValueWriter writer(&again);
    if (Rewrite(*value, &writer)) {
      EXPECT_EQ(again, bytes);
      ++rewritten;
    }
    std::string json;
    ASSERT_TRUE(AppendJson(bytes, &json).ok());
    // Digits beyond float64 are JSON, but this parser has no number for them.
    const bool parses = nlohmann::json::accept(json) || (value->tag == ValueTag::kBigInt && value->text.size() > 300);
    EXPECT_TRUE(parses) << json;
    if (const std::string key = NativeKey(*value); !key.empty() && vector.contains("key_hex") && vector["key_hex"].is_string()) {
      EXPECT_EQ(key, Hex(vector["key_hex"]));
      ++keys;
    }
  }
  EXPECT_GT(rewritten, 20);
  EXPECT_GT(keys, 20);
}

TEST(GoldenVectors, MalformedValuesAreRefused) {
  ASSERT_GT(Vectors().at("malformed_values").size(), 10u);
  for (const auto& vector : Vectors().at("malformed_values")) {
    std::string json;
    EXPECT_FALSE(DecodeValue(Hex(vector.at("value_hex"))).ok()) << vector.dump();
    EXPECT_FALSE(AppendJson(Hex(vector.at("value_hex")), &json).ok()) << vector.dump();
    EXPECT_EQ(json, "") << vector.dump();
  }
}

TEST(GoldenVectors, KeysAscend) {
  for (const auto& group : Vectors().at("key_order")) {
    std::string last;
    for (const auto& entry : group.at("ascending")) {
      const std::string key = Hex(entry.at("key_hex"));
      EXPECT_LT(last, key) << group.at("name") << " " << entry.dump();
      last = key;
    }
  }
}

}  // namespace
}  // namespace headrace::columnar
