#include "wire/plan_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "proto/plan.pb.h"
#include "wire/message_bytes.h"
#include "wire/plan_message.h"
#include "wire/sha256.h"

namespace headrace::wire {
namespace {

constexpr std::uint32_t kFormatVersion = 1;
/// Names that a graph may list in required_features; a reader that lacks one must refuse the graph.
constexpr std::array<std::string_view, 0> kKnownFeatures = {};

Status CheckFeatures(const proto::JobGraph& message) {
  for (const std::string& feature : message.required_features()) {
    if (std::find(kKnownFeatures.begin(), kKnownFeatures.end(), feature) != kKnownFeatures.end()) continue;
    return Error(ErrorCode::kUnknownFeature,
                 fmt::format("the job needs the feature \"{}\", which this cluster does not have", feature.substr(0, 100)));
  }
  return Status::OK();
}

Result<plan::Archive> DecodeArchive(const proto::Archive& message) {
  plan::Archive archive{message.name(), BlobIdFromRaw(message.sha256()), message.content(), message.python_path()};
  if (archive.sha256.empty() || archive.sha256 != BlobIdOf(archive.content)) {
    return Error(ErrorCode::kInvalidPlan,
                 fmt::format("the content of archive \"{}\" does not fit its sha256", message.name().substr(0, 200)));
  }
  return archive;
}

}  // namespace

Result<plan::JobGraph> DecodeJobGraph(std::string_view bytes) {
  proto::JobGraph message;
  HR_RETURN_NOT_OK(ParseWithin(kMaxPlanFields, bytes, "the job graph", ErrorCode::kInvalidPlan, &message));
  if (message.format_version() != kFormatVersion) {
    return Error(ErrorCode::kJobFileVersion, fmt::format("the job graph has format version {}; this cluster reads version {}",
                                                         message.format_version(), kFormatVersion));
  }
  HR_RETURN_NOT_OK(CheckFeatures(message));
  plan::JobGraph graph;
  graph.job_name = message.job_name();
  HR_ASSIGN_OR_RAISE(graph.settings, FromMessage(message.settings()));
  for (const proto::Operator& spec : message.operators()) {
    HR_ASSIGN_OR_RAISE(plan::OperatorSpec decoded, FromMessage(spec));
    graph.operators.push_back(std::move(decoded));
  }
  for (const proto::Archive& archive : message.archives()) {
    HR_ASSIGN_OR_RAISE(plan::Archive decoded, DecodeArchive(archive));
    graph.archives.push_back(std::move(decoded));
  }
  graph.python_requirements = {message.python_requirements().begin(), message.python_requirements().end()};
  return graph;
}

std::string EncodeJobGraph(const plan::JobGraph& graph) {
  proto::JobGraph message;
  message.set_format_version(kFormatVersion);
  message.set_job_name(graph.job_name);
  ToMessage(graph.settings, message.mutable_settings());
  for (const plan::OperatorSpec& spec : graph.operators) ToMessage(spec, message.add_operators());
  for (const plan::Archive& archive : graph.archives) {
    proto::Archive* added = message.add_archives();
    added->set_name(archive.name);
    added->set_sha256(RawOf(archive.sha256));
    added->set_content(archive.content);
    added->set_python_path(archive.python_path);
  }
  for (const std::string& requirement : graph.python_requirements) message.add_python_requirements(requirement);
  return StableBytes(message);
}

}  // namespace headrace::wire
