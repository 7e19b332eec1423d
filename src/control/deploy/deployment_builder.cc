#include "control/deploy/deployment_builder.h"

#include <utility>

#include "base/status.h"

namespace headrace::control::deploy {
namespace {

using cluster::ProcessKey;
using TaskTable = std::vector<std::vector<plan::TaskDeployment>>;  // by vertex, by subtask

TaskTable MakeTasks(const DeploymentInput& input) {
  TaskTable tasks;
  for (const plan::ExecutionVertex& vertex : input.plan->vertices) {
    HR_CHECK(vertex.parallelism <= input.slots.size(), "a vertex has more subtasks than the job has slots");
    std::vector<plan::TaskDeployment>& subtasks = tasks.emplace_back(vertex.parallelism);
    for (std::uint32_t i = 0; i < vertex.parallelism; ++i) {
      subtasks[i].attempt = AttemptId{input.job, input.deployment, vertex.index, i};
      subtasks[i].slot = input.slots[i].slot;
    }
  }
  return tasks;
}

void ConnectChannels(const DeploymentInput& input, TaskTable* tasks) {
  const plan::ExecutionPlan& plan = *input.plan;
  const auto address = [&](std::uint32_t subtask) -> const plan::ExchangeAddress& {
    return input.addresses.at(input.slots[subtask].process);
  };
  for (const plan::ExecutionVertex& vertex : plan.vertices) {
    for (const std::uint32_t id : vertex.input_edges) {
      for (const plan::ChannelRef& channel : plan::ExpandEdge(plan, plan.edges[id])) {
        (*tasks)[vertex.index][channel.consumer_subtask].inputs.push_back({channel, address(channel.producer_subtask)});
      }
    }
    for (const std::uint32_t id : vertex.output_edges) {
      for (const plan::ChannelRef& channel : plan::ExpandEdge(plan, plan.edges[id])) {
        (*tasks)[vertex.index][channel.producer_subtask].outputs.push_back({channel, address(channel.consumer_subtask)});
      }
    }
  }
}

void AssignSplits(const DeploymentInput& input, TaskTable* tasks) {
  for (const plan::ExecutionVertex& vertex : input.plan->vertices) {
    for (const plan::OperatorSpec& op : vertex.operators) {
      if (!op.is_source()) continue;
      const auto found = input.sources.find(op.uid);
      HR_CHECK(found != input.sources.end(), "a source is deployed before its splits are known");
      for (plan::TaskDeployment& task : (*tasks)[vertex.index]) {
        task.sources.push_back({op.uid, {}, found->second.more_may_come});
      }
      for (std::size_t i = 0; i < found->second.splits.size(); ++i) {
        (*tasks)[vertex.index][i % vertex.parallelism].sources.back().splits.push_back(found->second.splits[i]);
      }
    }
  }
}

}  // namespace

std::map<ProcessKey, plan::JobDeployment> BuildDeployments(const DeploymentInput& input) {
  TaskTable tasks = MakeTasks(input);
  ConnectChannels(input, &tasks);
  AssignSplits(input, &tasks);
  std::map<ProcessKey, plan::JobDeployment> deployments;
  for (std::vector<plan::TaskDeployment>& subtasks : tasks) {
    for (plan::TaskDeployment& task : subtasks) {
      plan::JobDeployment& deployment = deployments[input.slots[task.attempt.subtask].process];
      if (deployment.tasks.empty()) {
        deployment.job = input.job;
        deployment.deployment = input.deployment;
        deployment.plan = input.plan;
        deployment.archives = input.archives;
      }
      deployment.tasks.push_back(std::move(task));
    }
  }
  return deployments;
}

}  // namespace headrace::control::deploy
