#include <fmt/format.h>

#include <map>
#include <utility>

#include "proto/deploy.pb.h"
#include "wire/message_bytes.h"
#include "wire/plan_codec.h"
#include "wire/plan_message.h"
#include "wire/sha256.h"

namespace headrace::wire {
namespace {

constexpr std::size_t kMaxDeploymentFields = 20'000'000;

Status Broken(std::string what) { return Error(ErrorCode::kInvalidPlan, std::move(what)); }

Result<plan::ExecutionVertex> DecodeVertex(const proto::ExecutionPlan::Vertex& message, std::uint32_t index, int edges) {
  plan::ExecutionVertex vertex;
  vertex.index = index;
  vertex.name = message.name();
  vertex.parallelism = message.parallelism();
  if (message.operators().empty() || vertex.parallelism == 0) return Broken(fmt::format("vertex {} of the execution plan is empty", index));
  for (const proto::Operator& spec : message.operators()) {
    HR_ASSIGN_OR_RAISE(plan::OperatorSpec decoded, FromMessage(spec));
    vertex.operators.push_back(std::move(decoded));
  }
  for (const auto* list : {&message.input_edges(), &message.output_edges()}) {
    for (std::uint32_t edge : *list) {
      if (edge >= static_cast<std::uint32_t>(edges))
        return Broken(fmt::format("vertex {} of the execution plan names edge {} of {}", index, edge, edges));
    }
  }
  vertex.input_edges = {message.input_edges().begin(), message.input_edges().end()};
  vertex.output_edges = {message.output_edges().begin(), message.output_edges().end()};
  return vertex;
}

Result<plan::ExecutionEdge> DecodeEdge(const proto::ExecutionPlan::Edge& message, std::uint32_t id, int vertices) {
  const auto count = static_cast<std::uint32_t>(vertices);
  if (message.producer() >= count || message.consumer() >= count)
    return Broken(fmt::format("edge {} of the execution plan names a vertex that is not there", id));
  plan::ExecutionEdge edge{id,
                           message.producer(),
                           message.consumer(),
                           message.input_index(),
                           plan::Partitioning::kForward,
                           {message.hash_columns().begin(), message.hash_columns().end()},
                           message.tag()};
  HR_ASSIGN_OR_RAISE(edge.partitioning, PartitioningFromNumber(message.partitioning()));
  if (edge.partitioning == plan::Partitioning::kAuto) return Broken(fmt::format("edge {} of the execution plan has no partitioning", id));
  return edge;
}

/// Gives each exchange address a number, so that a thousand channels to one process name it once.
class AddressTable {
 public:
  explicit AddressTable(proto::Deployment* message) : message_(message) {}
  std::uint32_t NumberOf(const plan::ExchangeAddress& address) {
    auto key = std::make_tuple(address.task_manager.str(), address.incarnation.str(), address.host, address.port);
    auto [found, fresh] = numbers_.emplace(std::move(key), static_cast<std::uint32_t>(numbers_.size()));
    if (fresh) {
      proto::ExchangeAddress* added = message_->add_addresses();
      added->set_task_manager(address.task_manager.str());
      added->set_incarnation(address.incarnation.str());
      added->set_host(address.host);
      added->set_port(address.port);
    }
    return found->second;
  }

 private:
  proto::Deployment* message_;
  std::map<std::tuple<std::string, std::string, std::string, std::uint16_t>, std::uint32_t> numbers_;
};

void EncodeChannels(const std::vector<plan::ChannelPeer>& peers, AddressTable* addresses,
                    google::protobuf::RepeatedPtrField<proto::Channel>* out) {
  for (const plan::ChannelPeer& peer : peers) {
    proto::Channel* channel = out->Add();
    channel->set_edge(peer.channel.edge);
    channel->set_producer_subtask(peer.channel.producer_subtask);
    channel->set_consumer_subtask(peer.channel.consumer_subtask);
    channel->set_address(addresses->NumberOf(peer.peer));
  }
}

Result<std::vector<plan::ChannelPeer>> DecodeChannels(const google::protobuf::RepeatedPtrField<proto::Channel>& channels,
                                                      const std::vector<plan::ExchangeAddress>& addresses) {
  std::vector<plan::ChannelPeer> peers;
  peers.reserve(static_cast<std::size_t>(channels.size()));
  for (const proto::Channel& channel : channels) {
    if (channel.address() >= addresses.size())
      return Broken(fmt::format("a channel of the deployment names address {} of {}", channel.address(), addresses.size()));
    peers.push_back({{channel.edge(), channel.producer_subtask(), channel.consumer_subtask()}, addresses[channel.address()]});
  }
  return peers;
}

Result<plan::TaskDeployment> DecodeTask(const proto::Task& message, const proto::Deployment& deployment,
                                        const std::vector<plan::ExchangeAddress>& addresses) {
  plan::TaskDeployment task;
  task.attempt = {JobId(deployment.job()), deployment.number(), message.vertex(), message.subtask()};
  task.slot = message.slot();
  HR_ASSIGN_OR_RAISE(task.inputs, DecodeChannels(message.inputs(), addresses));
  HR_ASSIGN_OR_RAISE(task.outputs, DecodeChannels(message.outputs(), addresses));
  for (const proto::SourceAssignment& assignment : message.sources()) task.sources.push_back(FromMessage(assignment));
  return task;
}

Result<std::vector<plan::ExchangeAddress>> DecodeAddresses(const proto::Deployment& message) {
  std::vector<plan::ExchangeAddress> addresses;
  for (const proto::ExchangeAddress& address : message.addresses()) {
    if (address.port() > 65'535) return Broken(fmt::format("the deployment names port {}", address.port()));
    addresses.push_back({TaskManagerId(address.task_manager()), Incarnation(address.incarnation()), address.host(),
                         static_cast<std::uint16_t>(address.port())});
  }
  return addresses;
}

}  // namespace

Result<std::shared_ptr<const plan::ExecutionPlan>> DecodeExecutionPlan(std::string_view bytes) {
  proto::ExecutionPlan message;
  HR_RETURN_NOT_OK(ParseWithin(kMaxPlanFields, bytes, "the execution plan", ErrorCode::kInvalidPlan, &message));
  auto plan = std::make_shared<plan::ExecutionPlan>();
  plan->job_name = message.job_name();
  HR_ASSIGN_OR_RAISE(plan->settings, FromMessage(message.settings()));
  for (const auto& vertex : message.vertices()) {
    HR_ASSIGN_OR_RAISE(plan::ExecutionVertex decoded,
                       DecodeVertex(vertex, static_cast<std::uint32_t>(plan->vertices.size()), message.edges_size()));
    plan->vertices.push_back(std::move(decoded));
  }
  for (const auto& edge : message.edges()) {
    HR_ASSIGN_OR_RAISE(plan::ExecutionEdge decoded,
                       DecodeEdge(edge, static_cast<std::uint32_t>(plan->edges.size()), message.vertices_size()));
    plan->edges.push_back(decoded);
  }
  plan->has_python = message.has_python();
  plan->python_version = message.python_version();
  return plan;
}

std::string EncodeExecutionPlan(const plan::ExecutionPlan& plan) {
  proto::ExecutionPlan message;
  message.set_job_name(plan.job_name);
  ToMessage(plan.settings, message.mutable_settings());
  for (const plan::ExecutionVertex& vertex : plan.vertices) {
    auto* added = message.add_vertices();
    added->set_name(vertex.name);
    added->set_parallelism(vertex.parallelism);
    for (const plan::OperatorSpec& spec : vertex.operators) ToMessage(spec, added->add_operators());
    added->mutable_input_edges()->Add(vertex.input_edges.begin(), vertex.input_edges.end());
    added->mutable_output_edges()->Add(vertex.output_edges.begin(), vertex.output_edges.end());
  }
  for (const plan::ExecutionEdge& edge : plan.edges) {
    auto* added = message.add_edges();
    added->set_producer(edge.producer);
    added->set_consumer(edge.consumer);
    added->set_input_index(edge.input_index);
    added->set_partitioning(static_cast<proto::Partitioning>(NumberOf(edge.partitioning)));
    for (const std::string& column : edge.hash_columns) added->add_hash_columns(column);
    added->set_tag(edge.tag);
  }
  message.set_has_python(plan.has_python);
  message.set_python_version(plan.python_version);
  return StableBytes(message);
}

Result<plan::JobDeployment> DecodeJobDeployment(std::string_view bytes) {
  proto::Deployment message;
  HR_RETURN_NOT_OK(ParseWithin(kMaxDeploymentFields, bytes, "the deployment", ErrorCode::kInvalidPlan, &message));
  plan::JobDeployment deployment;
  deployment.job = JobId(message.job());
  deployment.deployment = message.number();
  for (const proto::ArchiveRef& archive : message.archives()) {
    plan::ArchiveRef decoded{archive.name(), BlobIdFromRaw(archive.sha256()), archive.size_bytes(), archive.python_path()};
    if (decoded.sha256.empty()) return Broken(fmt::format("archive \"{}\" of the deployment has no sha256", archive.name()));
    deployment.archives.push_back(std::move(decoded));
  }
  HR_ASSIGN_OR_RAISE(std::vector<plan::ExchangeAddress> addresses, DecodeAddresses(message));
  for (const proto::Task& task : message.tasks()) {
    HR_ASSIGN_OR_RAISE(plan::TaskDeployment decoded, DecodeTask(task, message, addresses));
    deployment.tasks.push_back(std::move(decoded));
  }
  return deployment;
}

std::string EncodeJobDeployment(const plan::JobDeployment& deployment) {
  proto::Deployment message;
  message.set_job(deployment.job.str());
  message.set_number(deployment.deployment);
  for (const plan::ArchiveRef& archive : deployment.archives) {
    proto::ArchiveRef* added = message.add_archives();
    added->set_name(archive.name);
    added->set_sha256(RawOf(archive.sha256));
    added->set_size_bytes(archive.size_bytes);
    added->set_python_path(archive.python_path);
  }
  AddressTable addresses(&message);
  for (const plan::TaskDeployment& task : deployment.tasks) {
    proto::Task* added = message.add_tasks();
    added->set_vertex(task.attempt.vertex);
    added->set_subtask(task.attempt.subtask);
    added->set_slot(task.slot);
    EncodeChannels(task.inputs, &addresses, added->mutable_inputs());
    EncodeChannels(task.outputs, &addresses, added->mutable_outputs());
    for (const plan::SourceAssignment& assignment : task.sources) ToMessage(assignment, added->add_sources());
  }
  return StableBytes(message);
}

}  // namespace headrace::wire
