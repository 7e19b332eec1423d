#include "base/yaml_json.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(YamlToJson, KeepsOrderTypesAndQuotedText) {
  EXPECT_EQ(*YamlToJson("z: 1\na: [true, \"true\", ~, 1.5, 3.1.0, -2, nan, '200']\nm: {k: v}\n"),
            R"({"z":1,"a":[true,"true",null,1.5,"3.1.0",-2,"nan","200"],"m":{"k":"v"}})");
}

TEST(YamlToJson, RefusesBrokenDuplicateAndEndlessDocuments) {
  EXPECT_FALSE(YamlToJson("a: [").ok());
  EXPECT_FALSE(YamlToJson("a: 1\na: 2\n").ok());
  EXPECT_FALSE(YamlToJson("&x a: &y [*y]").ok());
  EXPECT_FALSE(YamlToJson(std::string(200, '[') + std::string(200, ']')).ok());
}

}  // namespace
}  // namespace headrace
