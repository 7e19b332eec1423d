#include "wire/plan_codec.h"

#include <gtest/gtest.h>

#include "proto/plan.pb.h"
#include "wire/epoch_guard.h"
#include "wire/sha256.h"
#include "wire/tests/sample_plan.h"

namespace headrace::wire {
namespace testing {

using plan::Partitioning;
using plan::PythonFunction;

JobFile SampleJobFile() {
  const auto spec = [](const char* uid, const char* from, plan::OperatorKind kind) {
    plan::OperatorSpec spec;
    spec.uid = OperatorUid(uid);
    spec.name = std::string(uid) + " of words";
    spec.location = {"job.py", 7, "lines.map(f)"};
    spec.uid_is_explicit = true;
    spec.kind = std::move(kind);
    if (from != nullptr) spec.inputs = {{OperatorUid(from), Partitioning::kAuto}};
    return spec;
  };
  const auto function = [](PythonFunction::Verb verb) { return PythonFunction{verb, std::string("\x80\x05pickled\x00", 10), "<lambda>"}; };
  JobFile file;
  file.header = {1, "3.11", "0.1.0", {"numpy==1.26.0"}};
  plan::JobGraph& graph = file.graph;
  graph.job_name = "WordCount";
  graph.settings.parallelism = 2;
  graph.settings.checkpoint_interval_ms = 60'000;
  graph.settings.restart = {plan::RestartSettings::Kind::kExponential, 3, 4, 5, 6};
  graph.operators = {spec("lines", nullptr, plan::SourceSpec{{"kafka", {{"topic", "lines"}, {"group_id", "wc"}}, "", false}}),
                     spec("words", "lines", function(PythonFunction::Verb::kFlatMap)),
                     spec("pairs", "words", function(PythonFunction::Verb::kMap)),
                     spec("long", "pairs", function(PythonFunction::Verb::kFilter)),
                     spec("both", "long", plan::UnionSpec{}),
                     spec("key", "both", function(PythonFunction::Verb::kKeyBy)),
                     spec("count", "key", function(PythonFunction::Verb::kReduce)),
                     spec("out", "count", plan::SinkSpec{{"kafka", {{"topic", "counts"}}, "", false}})};
  graph.operators[2].parallelism = 4;
  graph.operators[2].inputs[0].partitioning = Partitioning::kRebalance;
  graph.archives = {{"files", BlobIdOf("content"), "content", true}};
  graph.python_requirements = {"numpy==1.26.0"};
  graph.python_version = "3.11";
  return file;
}

std::shared_ptr<const plan::ExecutionPlan> SamplePlan(std::size_t function_bytes) {
  plan::JobGraph graph = SampleJobFile().graph;
  for (plan::OperatorSpec& spec : graph.operators) {
    if (auto* function = std::get_if<PythonFunction>(&spec.kind)) function->pickled = std::string(function_bytes, 'f');
  }
  return plan::Chain(plan::Validate(graph).ValueOrDie()).ValueOrDie();
}

plan::JobDeployment SampleDeployment(std::size_t function_bytes) {
  const plan::ExchangeAddress here{TaskManagerId("tm1"), Incarnation("aa"), "10.0.0.1", 6125},
      there{TaskManagerId("tm2"), Incarnation("bb"), "10.0.0.2", 65535};
  plan::JobDeployment deployment;
  deployment.job = JobId("0123456789abcdef0123456789abcdef");
  deployment.deployment = 3;
  deployment.plan = SamplePlan(function_bytes);
  deployment.archives = {{"files", BlobIdOf("content"), 7, true}};
  plan::TaskDeployment first{{deployment.job, 3, 0, 1},
                             2,
                             {},
                             {{{0, 1, 0}, here}, {{0, 1, 1}, there}},
                             {{OperatorUid("lines"), {{"lines-3", R"({"partition":3})"}}, true}}};
  plan::TaskDeployment second{{deployment.job, 3, 1, 0}, 2, {{{0, 0, 0}, there}, {{0, 1, 0}, here}}, {}, {}};
  deployment.tasks = {first, second};
  return deployment;
}

}  // namespace testing

namespace {

TEST(PlanCodec, ExecutionPlanComesBackAsItWas) {
  auto plan = testing::SamplePlan();
  auto back = DecodeExecutionPlan(EncodeExecutionPlan(*plan));
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(plan::ExplainText(**back), plan::ExplainText(*plan));
  EXPECT_EQ(plan::ExplainJson(**back), plan::ExplainJson(*plan));
  EXPECT_EQ(EncodeExecutionPlan(**back), EncodeExecutionPlan(*plan));
  EXPECT_EQ((*back)->settings.max_parallelism, 128u);
  EXPECT_EQ((*back)->python_version, "3.11");
  ASSERT_EQ((*back)->edges.size(), plan->edges.size());
  for (std::size_t i = 0; i < plan->edges.size(); ++i) EXPECT_EQ((*back)->edges[i].id, i);
}

TEST(PlanCodec, DeploymentComesBackAsItWas) {
  const plan::JobDeployment deployment = testing::SampleDeployment();
  auto back = DecodeJobDeployment(EncodeJobDeployment(deployment));
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(back->job, deployment.job);
  EXPECT_EQ(back->deployment, 3u);
  ASSERT_EQ(back->tasks.size(), 2u);
  for (std::size_t t = 0; t < 2; ++t) {
    const plan::TaskDeployment &a = back->tasks[t], &b = deployment.tasks[t];
    EXPECT_EQ(a.attempt, b.attempt);
    EXPECT_EQ(a.slot, b.slot);
    ASSERT_EQ(a.inputs.size(), b.inputs.size());
    ASSERT_EQ(a.outputs.size(), b.outputs.size());
    for (std::size_t i = 0; i < a.inputs.size(); ++i)
      EXPECT_TRUE(a.inputs[i].channel == b.inputs[i].channel && a.inputs[i].peer == b.inputs[i].peer);
    for (std::size_t i = 0; i < a.outputs.size(); ++i)
      EXPECT_TRUE(a.outputs[i].channel == b.outputs[i].channel && a.outputs[i].peer == b.outputs[i].peer);
    ASSERT_EQ(a.sources.size(), b.sources.size());
    for (std::size_t i = 0; i < a.sources.size(); ++i) {
      EXPECT_EQ(a.sources[i].splits, b.sources[i].splits);
      EXPECT_EQ(a.sources[i].more_may_come, b.sources[i].more_may_come);
    }
  }
  ASSERT_EQ(back->archives.size(), 1u);
  EXPECT_EQ(back->archives[0].sha256, deployment.archives[0].sha256);
  EXPECT_EQ(back->plan, nullptr);
}

TEST(PlanCodec, AnUnknownRequiredFeatureIsRefused) {
  proto::JobGraph message;
  message.set_format_version(1);
  message.add_required_features("teleport");
  const Status status = DecodeJobGraph(message.SerializeAsString()).status();
  EXPECT_EQ(CodeOf(status), ErrorCode::kUnknownFeature);
  EXPECT_EQ(status.message(), "the job needs the feature \"teleport\", which this cluster does not have");
}

TEST(PlanCodec, AnOperatorKindOfTheFutureIsRefused) {
  proto::JobGraph message;
  message.set_format_version(1);
  proto::Operator* spec = message.add_operators();
  spec->set_uid("u");
  spec->set_name("n");
  const Status status = DecodeJobGraph(message.SerializeAsString()).status();
  EXPECT_EQ(CodeOf(status), ErrorCode::kUnknownFeature) << status.ToString();
  message.set_format_version(2);
  EXPECT_EQ(CodeOf(DecodeJobGraph(message.SerializeAsString()).status()), ErrorCode::kJobFileVersion);
}

TEST(PlanCodec, AnArchiveThatIsNotWhatItsHashSaysIsRefused) {
  plan::JobGraph graph = testing::SampleJobFile().graph;
  graph.archives[0].content += "!";
  EXPECT_EQ(CodeOf(DecodeJobGraph(EncodeJobGraph(graph)).status()), ErrorCode::kInvalidPlan);
}

TEST(PlanCodec, MillionsOfEmptyOperatorsCostNoMemory) {
  std::string bytes;
  for (int i = 0; i < 10'000'000; ++i) bytes += std::string("\x2a\x00", 2);
  const Status status = DecodeJobGraph(bytes).status();
  EXPECT_EQ(CodeOf(status), ErrorCode::kInvalidPlan);
  EXPECT_EQ(status.message(), "the job graph has more than 400000 fields");
}

TEST(PlanCodec, CutAndChangedBytesNeverCrash) {
  const std::string plan = EncodeExecutionPlan(*testing::SamplePlan()), deployment = EncodeJobDeployment(testing::SampleDeployment()),
                    graph = EncodeJobGraph(testing::SampleJobFile().graph);
  for (const std::string* bytes : {&plan, &deployment, &graph}) {
    for (std::size_t at = 0; at < bytes->size(); ++at) {
      std::string changed = *bytes;
      for (int bit = 0; bit < 8; ++bit) {
        changed[at] = static_cast<char>((*bytes)[at] ^ (1 << bit));
        (void)DecodeJobGraph(changed);
        (void)DecodeJobDeployment(changed);
        auto decoded = DecodeExecutionPlan(changed);
        if (decoded.ok()) (void)plan::ExplainText(**decoded);
      }
      (void)DecodeExecutionPlan(std::string_view(*bytes).substr(0, at));
    }
  }
}

TEST(EpochGuard, OlderLeadersAndImpostorsAreRefused) {
  EpochGuard guard;
  const auto token = [](LeaderEpoch epoch, const char* holder) { return LeaderToken{epoch, Incarnation(holder)}; };
  EXPECT_EQ(CodeOf(guard.Admit(token(0, "a"))), ErrorCode::kDeposed);
  EXPECT_EQ(CodeOf(guard.Admit(token(5, ""))), ErrorCode::kDeposed);
  EXPECT_TRUE(guard.Admit(token(5, "a")).ok());
  EXPECT_TRUE(guard.Admit(token(5, "a")).ok());
  EXPECT_EQ(CodeOf(guard.Admit(token(5, "b"))), ErrorCode::kDeposed) << "the same epoch by another holder";
  EXPECT_EQ(CodeOf(guard.Admit(token(4, "a"))), ErrorCode::kDeposed);
  EXPECT_EQ(guard.highest(), token(5, "a"));
  EXPECT_TRUE(guard.Admit(token(6, "b")).ok());
  EXPECT_EQ(CodeOf(guard.Admit(token(5, "a"))), ErrorCode::kDeposed) << "the old leader comes back";
}

}  // namespace
}  // namespace headrace::wire
