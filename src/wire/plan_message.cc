#include "wire/plan_message.h"

#include <fmt/format.h>

#include <utility>

#include "proto/call.pb.h"
#include "proto/deploy.pb.h"
#include "proto/plan.pb.h"
#include "wire/join_message.h"
#include "wire/lookup_message.h"
#include "wire/process_message.h"
#include "wire/relational_message.h"

namespace headrace::wire {
namespace {

using plan::PythonFunction;
using wire::FromMessage;
using wire::ToMessage;

void ToMessage(const plan::ConnectorSpec& spec, proto::Connector* message) {
  message->set_kind(spec.kind);
  for (const auto& [name, value] : spec.options) (*message->mutable_options())[name] = value;
  message->set_payload(spec.payload);
  message->set_bounded(spec.bounded);
  if (spec.schema != nullptr) ToMessage(*spec.schema, message->mutable_schema());
  if (!spec.record_type.empty()) message->mutable_schema()->set_record_type(spec.record_type);
}

Result<plan::ConnectorSpec> FromMessage(const proto::Connector& message) {
  plan::ConnectorSpec spec;
  spec.kind = message.kind();
  spec.options = {message.options().begin(), message.options().end()};
  spec.payload = message.payload();
  spec.bounded = message.bounded();
  HR_ASSIGN_OR_RAISE(spec.schema, FromMessage(message.schema()));
  spec.record_type = message.schema().record_type();
  return spec;
}

proto::PythonFunction* FunctionOf(PythonFunction::Verb verb, proto::Operator* message) {
  switch (verb) {
    case PythonFunction::Verb::kMap:
      return message->mutable_map();
    case PythonFunction::Verb::kFilter:
      return message->mutable_filter();
    case PythonFunction::Verb::kFlatMap:
      return message->mutable_flat_map();
    case PythonFunction::Verb::kKeyBy:
      return message->mutable_key_by();
    case PythonFunction::Verb::kReduce:
      return message->mutable_reduce();
  }
  return message->mutable_map();
}

Result<plan::OperatorKind> FromMessage(PythonFunction::Verb verb, const proto::PythonFunction& message) {
  PythonFunction function{verb, message.pickled(), message.display_name(), nullptr, message.in_flight()};
  HR_ASSIGN_OR_RAISE(function.returns, FromMessage(message.returns()));
  return plan::OperatorKind(std::move(function));
}

Result<plan::OperatorKind> KindFromMessage(const proto::Operator& message) {
  switch (message.kind_case()) {
    case proto::Operator::kSource: {
      HR_ASSIGN_OR_RAISE(plan::ConnectorSpec connector, FromMessage(message.source()));
      return plan::SourceSpec{std::move(connector)};
    }
    case proto::Operator::kSink: {
      HR_ASSIGN_OR_RAISE(plan::ConnectorSpec connector, FromMessage(message.sink()));
      return plan::SinkSpec{std::move(connector)};
    }
    case proto::Operator::kUnion:
      return plan::UnionSpec{};
    case proto::Operator::kMap:
      return FromMessage(PythonFunction::Verb::kMap, message.map());
    case proto::Operator::kFilter:
      return FromMessage(PythonFunction::Verb::kFilter, message.filter());
    case proto::Operator::kFlatMap:
      return FromMessage(PythonFunction::Verb::kFlatMap, message.flat_map());
    case proto::Operator::kKeyBy:
      return FromMessage(PythonFunction::Verb::kKeyBy, message.key_by());
    case proto::Operator::kReduce:
      return FromMessage(PythonFunction::Verb::kReduce, message.reduce());
    case proto::Operator::kSelect:
      return FromMessage(message.select());
    case proto::Operator::kWhere: {
      HR_ASSIGN_OR_RAISE(plan::Expression condition, FromMessage(message.where()));
      return plan::WhereSpec{std::move(condition)};
    }
    case proto::Operator::kEventTime:
      return FromMessage(message.event_time());
    case proto::Operator::kAggregate:
      return FromMessage(message.aggregate());
    case proto::Operator::kTop:
      return FromMessage(message.top());
    case proto::Operator::kProcess:
      return FromMessage(message.process());
    case proto::Operator::kJoin:
      return FromMessage(message.join());
    case proto::Operator::kDeduplicate:
      return FromMessage(message.deduplicate());
    case proto::Operator::kLookup: {
      HR_ASSIGN_OR_RAISE(plan::ConnectorSpec table, FromMessage(message.lookup().table()));
      return FromMessage(message.lookup(), std::move(table));
    }
    case proto::Operator::KIND_NOT_SET:
      break;
  }
  plan::OperatorSpec named;
  named.location = {message.location().file().substr(0, 200), message.location().line(), ""};
  return Error(ErrorCode::kUnknownFeature,
               fmt::format("operator \"{}\" (uid {}, {}) is of a kind that this cluster does not know", message.name().substr(0, 200),
                           message.uid().substr(0, 200), named.location.ToString()));
}

Result<plan::RestartSettings> FromMessage(const proto::RestartStrategy& message) {
  plan::RestartSettings restart;
  switch (message.kind()) {
    case proto::RestartStrategy::DEFAULT:
      restart.kind = plan::RestartSettings::Kind::kDefault;
      break;
    case proto::RestartStrategy::NONE:
      restart.kind = plan::RestartSettings::Kind::kNone;
      break;
    case proto::RestartStrategy::FIXED_DELAY:
      restart.kind = plan::RestartSettings::Kind::kFixedDelay;
      break;
    case proto::RestartStrategy::EXPONENTIAL:
      restart.kind = plan::RestartSettings::Kind::kExponential;
      break;
    default:
      return Error(ErrorCode::kUnknownFeature,
                   fmt::format("the job has a restart strategy ({}) that this cluster does not know", static_cast<int>(message.kind())));
  }
  restart.max_attempts = message.max_attempts();
  restart.delay_ms = message.delay_ms();
  restart.initial_delay_ms = message.initial_delay_ms();
  restart.max_delay_ms = message.max_delay_ms();
  return restart;
}

proto::RestartStrategy::Kind ToMessage(plan::RestartSettings::Kind kind) {
  switch (kind) {
    case plan::RestartSettings::Kind::kDefault:
      return proto::RestartStrategy::DEFAULT;
    case plan::RestartSettings::Kind::kNone:
      return proto::RestartStrategy::NONE;
    case plan::RestartSettings::Kind::kFixedDelay:
      return proto::RestartStrategy::FIXED_DELAY;
    case plan::RestartSettings::Kind::kExponential:
      return proto::RestartStrategy::EXPONENTIAL;
  }
  return proto::RestartStrategy::DEFAULT;
}

}  // namespace

int NumberOf(plan::Partitioning partitioning) {
  switch (partitioning) {
    case plan::Partitioning::kAuto:
      return proto::PARTITIONING_AUTO;
    case plan::Partitioning::kForward:
      return proto::PARTITIONING_FORWARD;
    case plan::Partitioning::kHash:
      return proto::PARTITIONING_HASH;
    case plan::Partitioning::kRebalance:
      return proto::PARTITIONING_REBALANCE;
    case plan::Partitioning::kBroadcast:
      return proto::PARTITIONING_BROADCAST;
  }
  return proto::PARTITIONING_AUTO;
}

Result<plan::Partitioning> PartitioningFromNumber(int number) {
  switch (number) {
    case proto::PARTITIONING_AUTO:
      return plan::Partitioning::kAuto;
    case proto::PARTITIONING_FORWARD:
      return plan::Partitioning::kForward;
    case proto::PARTITIONING_HASH:
      return plan::Partitioning::kHash;
    case proto::PARTITIONING_REBALANCE:
      return plan::Partitioning::kRebalance;
    case proto::PARTITIONING_BROADCAST:
      return plan::Partitioning::kBroadcast;
    default:
      return Error(ErrorCode::kUnknownFeature, fmt::format("the graph has a partitioning ({}) that this cluster does not know", number));
  }
}

void ToMessage(const plan::OperatorSpec& spec, proto::Operator* message) {
  message->set_uid(spec.uid.str());
  message->set_name(spec.name);
  message->set_parallelism(spec.parallelism);
  for (const plan::InputEdge& input : spec.inputs) {
    proto::Input* edge = message->add_inputs();
    edge->set_uid(input.uid.str());
    edge->set_partitioning(static_cast<proto::Partitioning>(NumberOf(input.partitioning)));
    edge->set_tag(input.tag);
  }
  message->mutable_location()->set_file(spec.location.file);
  message->mutable_location()->set_line(spec.location.line);
  message->mutable_location()->set_code(spec.location.code);
  message->set_uid_is_explicit(spec.uid_is_explicit);
  if (spec.schema != nullptr) ToMessage(*spec.schema, message->mutable_schema());
  message->set_changelog(static_cast<proto::Changelog>(spec.changelog));
  if (const auto* source = std::get_if<plan::SourceSpec>(&spec.kind)) ToMessage(source->connector, message->mutable_source());
  if (const auto* sink = std::get_if<plan::SinkSpec>(&spec.kind)) ToMessage(sink->connector, message->mutable_sink());
  if (std::holds_alternative<plan::UnionSpec>(spec.kind)) message->mutable_union_();
  if (const auto* select = std::get_if<plan::SelectSpec>(&spec.kind)) ToMessage(*select, message->mutable_select());
  if (const auto* where = std::get_if<plan::WhereSpec>(&spec.kind)) ToMessage(where->condition, message->mutable_where());
  if (const auto* times = std::get_if<plan::EventTimeSpec>(&spec.kind)) ToMessage(*times, message->mutable_event_time());
  if (const auto* aggregate = std::get_if<plan::AggregateSpec>(&spec.kind)) ToMessage(*aggregate, message->mutable_aggregate());
  if (const auto* top = std::get_if<plan::TopSpec>(&spec.kind)) ToMessage(*top, message->mutable_top());
  if (const auto* process = std::get_if<plan::ProcessSpec>(&spec.kind)) ToMessage(*process, message->mutable_process());
  if (const auto* join = std::get_if<plan::JoinSpec>(&spec.kind)) ToMessage(*join, message->mutable_join());
  if (const auto* deduplicate = std::get_if<plan::DeduplicateSpec>(&spec.kind)) ToMessage(*deduplicate, message->mutable_deduplicate());
  if (const auto* lookup = std::get_if<plan::LookupSpec>(&spec.kind)) {
    ToMessage(*lookup, message->mutable_lookup());
    ToMessage(*lookup->table, message->mutable_lookup()->mutable_table());
  }
  if (const PythonFunction* function = spec.python()) {
    proto::PythonFunction* body = FunctionOf(function->verb, message);
    body->set_pickled(function->pickled);
    body->set_display_name(function->display_name);
    body->set_in_flight(function->in_flight);
    if (function->returns != nullptr) ToMessage(*function->returns, body->mutable_returns());
  }
}

Result<plan::OperatorSpec> FromMessage(const proto::Operator& message) {
  plan::OperatorSpec spec;
  spec.uid = OperatorUid(message.uid());
  spec.name = message.name();
  spec.parallelism = message.parallelism();
  spec.location = {message.location().file(), message.location().line(), message.location().code()};
  spec.uid_is_explicit = message.uid_is_explicit();
  for (const proto::Input& input : message.inputs()) {
    HR_ASSIGN_OR_RAISE(plan::Partitioning partitioning, PartitioningFromNumber(input.partitioning()));
    spec.inputs.push_back({OperatorUid(input.uid()), partitioning, input.tag()});
  }
  HR_ASSIGN_OR_RAISE(spec.schema, FromMessage(message.schema()));
  HR_ASSIGN_OR_RAISE(spec.changelog, ChangelogFromNumber(message.changelog()));
  HR_ASSIGN_OR_RAISE(spec.kind, KindFromMessage(message));
  return spec;
}

void ToMessage(const plan::JobSettings& settings, proto::JobSettings* message) {
  message->set_parallelism(settings.parallelism);
  message->set_max_parallelism(settings.max_parallelism);
  message->set_checkpoint_interval_ms(settings.checkpoint_interval_ms);
  message->set_value_encoding_version(settings.value_encoding_version);
  proto::RestartStrategy* restart = message->mutable_restart();
  restart->set_kind(ToMessage(settings.restart.kind));
  restart->set_max_attempts(settings.restart.max_attempts);
  restart->set_delay_ms(settings.restart.delay_ms);
  restart->set_initial_delay_ms(settings.restart.initial_delay_ms);
  restart->set_max_delay_ms(settings.restart.max_delay_ms);
}

Result<plan::JobSettings> FromMessage(const proto::JobSettings& message) {
  plan::JobSettings settings;
  settings.parallelism = message.parallelism();
  settings.max_parallelism = message.max_parallelism();
  settings.checkpoint_interval_ms = message.checkpoint_interval_ms();
  settings.value_encoding_version = message.value_encoding_version();
  HR_ASSIGN_OR_RAISE(settings.restart, FromMessage(message.restart()));
  return settings;
}

void ToMessage(const plan::SourceAssignment& assignment, proto::SourceAssignment* message) {
  message->set_source(assignment.source.str());
  message->set_more_may_come(assignment.more_may_come);
  for (const plan::SourceSplit& split : assignment.splits) {
    auto* part = message->add_splits();
    part->set_id(split.id);
    part->set_payload(split.payload);
  }
}

plan::SourceAssignment FromMessage(const proto::SourceAssignment& message) {
  plan::SourceAssignment assignment{OperatorUid(message.source()), {}, message.more_may_come()};
  for (const auto& split : message.splits()) assignment.splits.push_back({split.id(), split.payload()});
  return assignment;
}

void ToMessage(const AttemptId& attempt, proto::AttemptId* message) {
  message->set_job(attempt.job.str());
  message->set_deployment(attempt.deployment);
  message->set_vertex(attempt.vertex);
  message->set_subtask(attempt.subtask);
}

AttemptId FromMessage(const proto::AttemptId& message) {
  return {JobId(message.job()), message.deployment(), message.vertex(), message.subtask()};
}

}  // namespace headrace::wire
