#include "kafka/topic_split.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace headrace::kafka {
namespace {

constexpr std::size_t kMaxPayloadBytes = 4096;

Status BadPayload(std::string_view payload, std::string_view why) {
  return Error(ErrorCode::kInvalidPlan, fmt::format("a Kafka split is not readable ({}): {:.200}", why, payload));
}

}  // namespace

std::string TopicSplit::Id() const { return fmt::format("{}-{}", topic, partition); }

std::string TopicSplit::ToPayload() const {
  nlohmann::ordered_json json;
  json["topic"] = topic;
  json["partition"] = partition;
  json["start_offset"] = start_offset;
  json["stop_offset"] = stop_offset;
  // A topic name with bytes outside UTF-8 cannot exist in Kafka; replacing them keeps this call free of exceptions.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<TopicSplit> TopicSplit::FromPayload(std::string_view payload) {
  if (payload.size() > kMaxPayloadBytes) return BadPayload(payload, "too long");
  const nlohmann::json json = nlohmann::json::parse(payload, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return BadPayload(payload, "not a JSON object");
  const auto number = [&](const char* name) -> const nlohmann::json* {
    const auto it = json.find(name);
    return it != json.end() && it->is_number_integer() ? &*it : nullptr;
  };
  const auto topic = json.find("topic");
  const nlohmann::json *partition = number("partition"), *start = number("start_offset"), *stop = number("stop_offset");
  if (topic == json.end() || !topic->is_string() || topic->get_ref<const std::string&>().empty()) return BadPayload(payload, "no topic");
  if (partition == nullptr || start == nullptr || stop == nullptr)
    return BadPayload(payload, "partition, start_offset and stop_offset must be integers");
  TopicSplit split;
  split.topic = topic->get<std::string>();
  const auto partition_number = partition->get<std::int64_t>();
  split.start_offset = start->get<std::int64_t>();
  split.stop_offset = stop->get<std::int64_t>();
  if (partition_number < 0 || partition_number > INT32_MAX) return BadPayload(payload, "partition out of range");
  split.partition = static_cast<std::int32_t>(partition_number);
  if (split.start_offset < 0 && split.start_offset != kBeginning) return BadPayload(payload, "start_offset out of range");
  if (split.stop_offset < 0 && split.stop_offset != kNoStop) return BadPayload(payload, "stop_offset out of range");
  return split;
}

}  // namespace headrace::kafka
