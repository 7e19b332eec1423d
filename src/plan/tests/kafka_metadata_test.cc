#include "plan/kafka_metadata.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include "plan/connector_options.h"

namespace headrace::plan {
namespace {

Status Check(const std::string& metadata, arrow::FieldVector fields) {
  ConnectorSpec spec{"kafka", {{"topic", "t"}, {"value_format", "json"}, {"metadata", metadata}}, "", false};
  if (!fields.empty()) spec.schema = arrow::schema(std::move(fields));
  return CheckConnector(spec, true, "source \"s\"");
}

TEST(KafkaMetadata, ColumnsOfTheRightTypesAreTaken) {
  const auto headers = arrow::list(arrow::struct_({arrow::field("key", arrow::utf8()), arrow::field("value", arrow::binary())}));
  const arrow::FieldVector fields = {arrow::field("v", arrow::int64()), arrow::field("p", arrow::int32()), arrow::field("k", arrow::utf8()),
                                     arrow::field("t", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")), arrow::field("h", headers)};
  EXPECT_TRUE(Check(R"({"p":"partition","k":"key","t":"timestamp","h":"headers"})", fields).ok());
  EXPECT_TRUE(Check("", fields).ok());
}

TEST(KafkaMetadata, WhatDoesNotFitIsNamed) {
  const arrow::FieldVector fields = {arrow::field("v", arrow::int64()), arrow::field("o", arrow::utf8())};
  EXPECT_EQ(Check(R"({"o":"offset"})", fields).message(),
            "source \"s\": metadata: column \"o\" is a text, but the record's offset is int64");
  EXPECT_EQ(Check(R"({"o":"ofset"})", fields).message(),
            "source \"s\": metadata: a Kafka record has topic, partition, offset, timestamp, key, headers, but no \"ofset\" - did you "
            "mean \"offset\"?");
  EXPECT_EQ(Check(R"({"x":"offset"})", fields).message(), "source \"s\": metadata: the row type has no column \"x\"");
  EXPECT_EQ(Check(R"(["offset"])", fields).message(), "source \"s\": metadata: it is no JSON object from columns to what they hold");
  EXPECT_EQ(Check(R"({"o":"offset"})", {}).message(), "source \"s\": metadata goes into columns, but its rows have none");
}

}  // namespace
}  // namespace headrace::plan
