#include "control/rest/watermark_json.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "control/rest/view_json.h"

namespace headrace::control::rest {
namespace {

using Json = nlohmann::ordered_json;

Json OrNull(const std::optional<std::int64_t>& value) { return value ? Json(*value) : Json(nullptr); }

Json SubtaskJson(const job::SubtaskView& subtask) {
  const wire::TaskEventTime none;
  const wire::TaskEventTime& time = subtask.metrics.event_time ? *subtask.metrics.event_time : none;
  Json held = nullptr;
  if (!time.held_by.empty())
    held = {{"split", time.held_by}, {"watermark_ms", OrNull(time.held_at_ms)}, {"since", time.held_since_wall_ms}};
  return {{"subtask", subtask.subtask}, {"state", StateName(subtask.state)}, {"watermark_ms", OrNull(time.watermark_ms)},
          {"idle", time.idle},          {"held_by", std::move(held)},        {"paused", time.paused}};
}

/// The least of the subtasks that hold it back; none while one of them has none.
std::optional<std::int64_t> LeastOf(const job::VertexView& vertex) {
  std::optional<std::int64_t> least;
  for (const job::SubtaskView& subtask : vertex.subtasks) {
    const auto& time = subtask.metrics.event_time;
    if (subtask.state == wire::TaskState::kFinished || (time && time->idle)) continue;
    if (!time || !time->watermark_ms) return std::nullopt;
    least = std::min(least.value_or(*time->watermark_ms), *time->watermark_ms);
  }
  return least;
}

}  // namespace

std::string JobWatermarksJson(const job::JobView& job) {
  Json vertices = Json::array();
  for (const job::VertexView& vertex : job.vertices) {
    Json subtasks = Json::array();
    for (const job::SubtaskView& subtask : vertex.subtasks) subtasks.push_back(SubtaskJson(subtask));
    vertices.push_back(
        {{"vertex", vertex.index}, {"name", vertex.name}, {"watermark_ms", OrNull(LeastOf(vertex))}, {"subtasks", std::move(subtasks)}});
  }
  const Json json = {{"job_id", job.id.str()}, {"vertices", std::move(vertices)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace headrace::control::rest
