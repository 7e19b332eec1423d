#include "control/rest/rest_server.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/executor.h"
#include "control/rest/api_description.h"
#include "net/http_client.h"
#include "net/multipart.h"
#include "plan/execution_plan.h"

namespace headrace::control::rest {
namespace {

using nlohmann::json;

const JobId kJob("0123456789abcdef0123456789abcdef");

/// A control plane with one job and two TaskManagers, on its own executor, which a test can keep busy.
class FakeDispatcher : public job::Dispatcher {
 public:
  ThreadExecutor& executor() { return executor_; }

  void Submit(job::SubmitRequest request, std::function<void(Result<job::SubmitAnswer>)> answer) override {
    executor_.Post([this, request = std::move(request), answer = std::move(answer)] {
      std::lock_guard lock(mutex_);
      submits_.push_back(request);
      if (request.parallelism == 13u) return answer(Error(ErrorCode::kNotEnoughSlots, "need 13 slots, 12 free"));
      answer(job::SubmitAnswer{kJob, job::JobState::kRunning, {"topic \"x\" is checked later"}});
    });
  }
  void Validate(job::SubmitRequest, std::function<void(Result<std::shared_ptr<const plan::ExecutionPlan>>)> answer) override {
    executor_.Post([answer = std::move(answer)] { answer(Plan()); });
  }
  void Cancel(JobId job, std::function<void(Result<job::JobState>)> answer) override {
    executor_.Post([job, answer = std::move(answer)] {
      if (job != kJob) return answer(Error(ErrorCode::kNotFound, "there is no job " + job.str()));
      answer(job::JobState::kCanceled);
    });
  }
  void ListJobs(std::function<void(Result<std::vector<job::JobView>>)> answer) override {
    executor_.Post([answer = std::move(answer)] { answer(std::vector<job::JobView>{View()}); });
  }
  void GetJob(JobId job, std::function<void(Result<job::JobView>)> answer) override {
    executor_.Post([job, answer = std::move(answer)] {
      if (job != kJob) return answer(Error(ErrorCode::kNotFound, "there is no job " + job.str()));
      answer(View());
    });
  }
  void ListTaskManagers(std::function<void(std::vector<job::TaskManagerView>)> answer) override {
    executor_.Post([answer = std::move(answer)] {
      job::TaskManagerView view;
      view.id = TaskManagerId("tm-1");
      view.host = "10.0.0.1";
      view.rpc_port = 6124;
      view.slots = 4;
      view.free_slots = 1;
      view.status = "ACTIVE";
      answer({view});
    });
  }
  void GetCluster(std::function<void(job::ClusterView)> answer) override {
    executor_.Post([this, answer = std::move(answer)] {
      std::lock_guard lock(mutex_);
      answer(cluster_);
    });
  }

  static std::shared_ptr<const plan::ExecutionPlan> Plan() {
    plan::ExecutionPlan plan;
    plan.job_name = "WordCount";
    plan.settings.parallelism = 2;
    return std::make_shared<const plan::ExecutionPlan>(std::move(plan));
  }
  static job::JobView View() {
    job::JobView view;
    view.id = kJob;
    view.name = "WordCount \xff";
    view.state = job::JobState::kRunning;
    view.start_wall_ms = 1'700'000'000'000;
    view.slots_needed = 2;
    view.plan = Plan();
    job::VertexView vertex;
    vertex.name = "map";
    vertex.parallelism = 2;
    vertex.subtasks.resize(2);
    vertex.subtasks[0].state = wire::TaskState::kRunning;
    vertex.subtasks[0].metrics.records_in = 3;
    vertex.subtasks[1].metrics.records_in = 4;
    vertex.subtasks[1].metrics.late_records = 2;
    vertex.subtasks[0].metrics.event_time = {1000, false, "topic-3", 900, 5, {"topic-1"}};
    vertex.subtasks[1].metrics.event_time = {2000, true, "", {}, 0};
    view.vertices.push_back(vertex);
    job::ExceptionEntry failure;
    failure.wall_time_ms = 5;
    failure.failure.code = static_cast<int>(ErrorCode::kPythonRaised);
    failure.failure.message = "division by zero";
    failure.failure.traceback = "job.py:3";
    view.exceptions.push_back(failure);
    return view;
  }
  std::vector<job::SubmitRequest> submits() {
    std::lock_guard lock(mutex_);
    return submits_;
  }
  void set_cluster(job::ClusterView cluster) {
    std::lock_guard lock(mutex_);
    cluster_ = std::move(cluster);
  }

 private:
  std::mutex mutex_;
  std::vector<job::SubmitRequest> submits_;
  job::ClusterView cluster_{3, 3, 12, 3, 1, 1, true, 7, "jm:6123", true};
  ThreadExecutor executor_{"fake-control"};
};

class RestServerTest : public ::testing::Test {
 protected:
  RestServerTest() : folder_(std::filesystem::temp_directory_path() / ("headrace-rest-" + std::to_string(getpid()))) {
    std::filesystem::remove_all(folder_);
  }
  ~RestServerTest() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Start(std::vector<std::pair<std::string, std::string>> overrides = {}, const std::string& bind = "127.0.0.1") {
    server_.reset();
    overrides.emplace_back("rest.port", "0");
    overrides.emplace_back("data.dir", folder_.string());
    settings_ = Settings::Of(overrides).ValueOrDie();
    auto server = RestServer::Start({&dispatcher_, &metrics_, &settings_, &random_, bind, "1.2.3"});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = std::move(*server);
  }
  net::HttpClient Client() const { return net::HttpClient("127.0.0.1", server_->port()); }
  net::HttpResponse Send(const std::string& method, const std::string& target, const net::HttpFields& headers = {},
                         std::string body = {}) const {
    auto response = Client().Send(method, target, headers, std::move(body));
    EXPECT_TRUE(response.ok()) << method << " " << target << ": " << response.status();
    return response.ok() ? *response : net::HttpResponse{0, "", "", {}};
  }
  net::HttpResponse Get(const std::string& target, const net::HttpFields& headers = {}) const { return Send("GET", target, headers); }
  net::HttpResponse Post(const std::vector<net::FormField>& fields, net::HttpFields headers = {},
                         const std::string& target = "/jobs/submit") const {
    headers.emplace_back("Content-Type", "multipart/form-data; boundary=BOUNDARY");
    return Send("POST", target, headers, net::BuildMultipart(fields, "BOUNDARY"));
  }
  /// Checks the shape of every error body too.
  static void ExpectProblem(const net::HttpResponse& response, int status, const std::string& code) {
    EXPECT_EQ(response.status, status) << response.body;
    EXPECT_EQ(response.content_type, "application/problem+json");
    const auto problem = json::parse(response.body, nullptr, false);
    ASSERT_TRUE(problem.is_object()) << response.body;
    EXPECT_EQ(problem.value("code", ""), code) << response.body;
    EXPECT_EQ(problem.value("status", 0), status);
    for (const char* field : {"type", "title", "detail", "hint"}) EXPECT_NE(problem.value(field, ""), "") << field;
  }

  std::filesystem::path folder_;
  FakeDispatcher dispatcher_;
  MetricsRegistry metrics_;
  SystemRandom random_;
  Settings settings_ = Settings::Of({}).ValueOrDie();
  std::unique_ptr<RestServer> server_;
};

TEST_F(RestServerTest, EveryPathOfTheDescriptionIsServedAndTheOtherWayRound) {
  Start();
  const auto description = ApiDescription::Parse(kOpenApiYaml).ValueOrDie();
  EXPECT_GE(description.operations().size(), 20u);
  for (const ApiOperation& operation : description.operations()) {
    std::string path = operation.path;
    if (const auto at = path.find("{id}"); at != std::string::npos) path.replace(at, 4, path.rfind("/jobs", 0) == 0 ? kJob.str() : "tm-1");
    for (const std::string prefix : {"", "/v1"}) {
      const auto response = operation.path.find("/submit") == std::string::npos && operation.path.find("/validate") == std::string::npos
                                ? Send(operation.method, prefix + path)
                                : Post({{"job_file", "x", "x.pkl"}}, {}, prefix + path);
      EXPECT_EQ(response.status, 200) << operation.method << " " << prefix << path << ": " << response.body;
    }
  }
}

TEST_F(RestServerTest, EveryRouteAsksForItsRole) {
  std::filesystem::create_directories(folder_);
  Start({{"rest.auth", "token"}, {"rest.token", "s3cret"}});
  const auto description = ApiDescription::Parse(kOpenApiYaml).ValueOrDie();
  for (const ApiOperation& operation : description.operations()) {
    std::string path = operation.path;
    if (const auto at = path.find("{id}"); at != std::string::npos) path.replace(at, 4, kJob.str());
    const auto bare = Send(operation.method, path);
    const auto wrong = Send(operation.method, path, {{"Authorization", "Bearer wrong"}});
    if (operation.role == Role::kNone) {
      EXPECT_EQ(operation.path.rfind("/health", 0), 0u) << operation.path;
      EXPECT_EQ(bare.status, 200) << path;
      continue;
    }
    ExpectProblem(bare, 401, "HR1010");
    ExpectProblem(wrong, 401, "HR1010");
    EXPECT_NE(net::FindField(bare.headers, "WWW-Authenticate"), "");
    const int status = Send(operation.method, path, {{"Authorization", "bearer s3cret"}}).status;
    EXPECT_TRUE(status != 401 && status != 403) << path << " " << status;
  }
}

TEST_F(RestServerTest, WeakerTokensDoLess) {
  std::filesystem::create_directories(folder_);
  // sha256 of "viewer-token" and "operator-token"
  std::ofstream(folder_ / "rest_tokens") << "viewer d036bd6d01a1cae081d39a2f8dab751dc042de814fd60df31fcb553170950f29\n"
                                         << "operator 0850123315d21ab90f4f7236408a52ef6dbd6a02a6550e5c10dc73f4d993680e\n";
  Start({{"rest.auth", "token"}});
  EXPECT_EQ(server_->new_token(), "");
  const net::HttpFields viewer = {{"Authorization", "Bearer viewer-token"}}, operating = {{"Authorization", "Bearer operator-token"}};
  const std::string cancel = "/jobs/" + kJob.str() + "/cancel";
  EXPECT_EQ(Get("/jobs", viewer).status, 200);
  ExpectProblem(Send("POST", cancel, viewer), 403, "HR1011");
  EXPECT_EQ(Send("POST", cancel, operating).status, 200);
  ExpectProblem(Post({{"job_file", "x", "x"}}, operating), 403, "HR1011");
  ExpectProblem(Get("/jobs", {{"Authorization", "Basic dmlld2VyLXRva2Vu"}}), 401, "HR1010");
  ExpectProblem(Get("/jobs", {{"Authorization", "Bearer "}}), 401, "HR1010");
  EXPECT_TRUE(dispatcher_.submits().empty());
}

TEST_F(RestServerTest, AnOpenListenerMakesATokenOnceAndKeepsOnlyItsHash) {
  Start({}, "0.0.0.0");
  const std::string token = server_->new_token();
  ASSERT_EQ(token.size(), 64u);
  EXPECT_EQ(server_->security(), "token");
  ExpectProblem(Get("/jobs"), 401, "HR1010");
  EXPECT_EQ(Get("/jobs", {{"Authorization", "Bearer " + token}}).status, 200);
  EXPECT_EQ(Get("/health").status, 200);
  std::ifstream file(folder_ / "rest_tokens");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text.find(token), std::string::npos);
  struct stat mode {};
  ASSERT_EQ(stat((folder_ / "rest_tokens").c_str(), &mode), 0);
  EXPECT_EQ(mode.st_mode & 0777, 0600u);
  Start({}, "0.0.0.0");  // a second start takes the file
  EXPECT_EQ(server_->new_token(), "");
  EXPECT_EQ(Get("/jobs", {{"Authorization", "Bearer " + token}}).status, 200);
}

TEST_F(RestServerTest, ADamagedTokenFileStopsTheStart) {
  std::filesystem::create_directories(folder_);
  for (const std::string& text : std::vector<std::string>{"", "admin\n", "admin 1234\n", "king " + std::string(64, 'a') + "\n",
                                                          "none " + std::string(64, 'a') + "\n", "admin " + std::string(64, 'G') + "\n"}) {
    std::ofstream(folder_ / "rest_tokens", std::ios::trunc) << text;
    settings_ = Settings::Of({{"rest.port", "0"}, {"rest.auth", "token"}, {"data.dir", folder_.string()}}).ValueOrDie();
    const auto server = RestServer::Start({&dispatcher_, &metrics_, &settings_, &random_, "127.0.0.1", ""});
    ASSERT_FALSE(server.ok()) << text;
    EXPECT_EQ(CodeOf(server.status()), ErrorCode::kBadSetting);
    EXPECT_NE(server.status().message().find("rest_tokens"), std::string::npos);
  }
}

TEST_F(RestServerTest, AuthNoneOnAnOpenListenerIsServedAndShown) {
  Start({{"rest.auth", "none"}}, "0.0.0.0");
  EXPECT_EQ(Get("/jobs").status, 200);
  EXPECT_EQ(Get("/jobs", {{"Host", "jobmanager:8081"}}).status, 200);
  ExpectProblem(Get("/jobs", {{"Host", "evil.example:8081"}}), 403, "HR1012");
  EXPECT_NE(Get("/metrics").body.find("headrace_insecure 1\n"), std::string::npos);
  EXPECT_EQ(server_->security(), "open, insecure");
}

TEST_F(RestServerTest, LoopbackRefusesForeignHostsOriginsAndSites) {
  Start();
  EXPECT_EQ(server_->security(), "loopback, foreign sites refused");
  EXPECT_NE(Get("/metrics").body.find("headrace_insecure 0\n"), std::string::npos);
  ExpectProblem(Get("/jobs", {{"Host", "evil.example"}}), 403, "HR1012");
  ExpectProblem(Get("/health", {{"Host", "evil.example"}}), 403, "HR1012");
  ExpectProblem(Get("/jobs", {{"Origin", "http://evil.example"}}), 403, "HR1012");
  ExpectProblem(Get("/jobs", {{"Sec-Fetch-Site", "cross-site"}}), 403, "HR1012");
  ExpectProblem(Post({{"job_file", "x", "x"}}, {{"Origin", "http://evil.example"}}), 403, "HR1012");
  EXPECT_TRUE(dispatcher_.submits().empty());
  Start({{"rest.allowed_hosts", "my.host"}});
  EXPECT_EQ(Get("/jobs", {{"Host", "my.host:8081"}}).status, 200);
}

TEST_F(RestServerTest, ASubmitReachesTheDispatcherWhole) {
  Start();
  const std::string file("\x80\x05\r\n--x\0y", 9);
  const auto response = Post({{"job_file", file, "wc.pkl"}, {"parallelism", "12"}, {"job_name", "wc"}}, {{"Idempotency-Key", "k-1"}});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json::parse(response.body),
            json({{"job_id", kJob.str()}, {"status", "RUNNING"}, {"warnings", {"topic \"x\" is checked later"}}}));
  ASSERT_EQ(dispatcher_.submits().size(), 1u);
  const auto submit = dispatcher_.submits()[0];
  EXPECT_EQ(submit.job_file, file);
  EXPECT_EQ(submit.parallelism, 12u);
  EXPECT_EQ(submit.job_name, "wc");
  EXPECT_EQ(submit.idempotency_key, "k-1");
}

TEST_F(RestServerTest, TheDispatchersRefusalIsTheAnswer) {
  Start();
  const auto response = Post({{"job_file", "x", "x"}, {"parallelism", "13"}});
  ExpectProblem(response, 409, "HR1301");
  EXPECT_EQ(json::parse(response.body)["detail"], "need 13 slots, 12 free");
}

TEST_F(RestServerTest, BadUploadsNeverReachTheDispatcher) {
  Start();
  const std::string form = "multipart/form-data; boundary=B";
  const std::string part = "--B\r\nContent-Disposition: form-data; name=\"job_file\"\r\n\r\nx\r\n";
  ExpectProblem(Send("POST", "/jobs/submit", {{"Content-Type", "application/json"}}, "{}"), 415, "HR1006");
  ExpectProblem(Send("POST", "/jobs/submit", {}, "x"), 415, "HR1006");
  ExpectProblem(Send("POST", "/jobs/submit", {{"Content-Type", "multipart/form-data"}}, "x"), 400, "HR1001");
  ExpectProblem(Send("POST", "/jobs/submit", {{"Content-Type", form}}, ""), 400, "HR1001");
  ExpectProblem(Send("POST", "/jobs/submit", {{"Content-Type", form}}, "nonsense"), 400, "HR1001");
  ExpectProblem(Send("POST", "/jobs/submit", {{"Content-Type", form}}, part), 400, "HR1001");
  ExpectProblem(Post({{"parallelism", "1", ""}}), 400, "HR1001");
  ExpectProblem(Post({{"job_file", "", "x"}}), 400, "HR1002");
  ExpectProblem(Post({{"job_file", "x", "x"}, {"job_file", "y", "y"}}), 400, "HR1001");
  ExpectProblem(Post({{"job_file", "x", "x"}, {"colour", "red", ""}}), 400, "HR1001");
  ExpectProblem(Post({{"job_file", "x", "x"}, {"savepoint_path", "s3://a/b", ""}}), 400, "HR1001");
  ExpectProblem(Post({{"job_file", "x", "x"}, {"job_name", std::string(300, 'n'), ""}}), 400, "HR1001");
  for (const char* parallelism : {"0", "-1", "x", "", "1.5", "99999999999"})
    ExpectProblem(Post({{"job_file", "x", "x"}, {"parallelism", parallelism, ""}}), 400, "HR1104");
  for (const std::string& key : {std::string("a b"), std::string(256, 'k'), std::string("\xc3\xa4")})
    ExpectProblem(Post({{"job_file", "x", "x"}}, {{"Idempotency-Key", key}}), 400, "HR1001");
  EXPECT_TRUE(dispatcher_.submits().empty());
  EXPECT_EQ(Get("/health/live").status, 200);
}

TEST_F(RestServerTest, UploadsMayBeLargeOtherBodiesNot) {
  Start();
  EXPECT_EQ(Post({{"job_file", std::string(65 << 20, '\0'), "zeros"}}).status, 200);
  ExpectProblem(Post({{"job_file", std::string(67 << 20, '\0'), "zeros"}}), 413, "HR1005");
  ExpectProblem(Send("POST", "/jobs/" + kJob.str() + "/cancel", {}, std::string(2 << 20, 'x')), 413, "HR1005");
  ExpectProblem(Send("GET", "/jobs", {{"X", std::string(17 << 10, 'y')}}), 431, "HR1014");
}

TEST_F(RestServerTest, UnknownPathsAndMethodsSaySo) {
  Start();
  for (const char* path :
       {"/", "/nothing", "/v1", "/v1/v1/jobs", "/jobs//status", "/jobs/x/status/y", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t"})
    ExpectProblem(Get(path), 404, "HR1007");
  const auto wrong = Send("DELETE", "/jobs");
  ExpectProblem(wrong, 405, "HR1008");
  EXPECT_EQ(net::FindField(wrong.headers, "Allow"), "GET, HEAD");
  // GET /jobs/submit reads as a job called submit.
  ExpectProblem(Get("/jobs/submit"), 404, "HR1007");
  ExpectProblem(Get("/jobs/0123"), 404, "HR1007");
  ExpectProblem(Get("/jobs/" + std::string(32, 'f')), 404, "HR1007");
  ExpectProblem(Get("/taskmanagers/tm-9"), 404, "HR1007");
  EXPECT_EQ(Get("/jobs/").status, 200);
  EXPECT_EQ(Send("HEAD", "/jobs").status, 200);
}

TEST_F(RestServerTest, AnswersHaveTheFieldsThatAreDescribed) {
  Start();
  const auto jobs = json::parse(Get("/jobs").body)["jobs"];
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(jobs[0]["job_id"], kJob.str());
  EXPECT_EQ(jobs[0]["status"], "RUNNING");
  EXPECT_EQ(jobs[0]["start_time"], 1'700'000'000'000);
  const std::string base = "/jobs/" + kJob.str();
  const auto job = json::parse(Get(base).body);
  EXPECT_EQ(job["end_time"], nullptr);
  EXPECT_EQ(job["metrics"]["records_in"], 7);
  EXPECT_EQ(job["metrics"]["late_records"], 2);
  EXPECT_EQ(job["vertices"][0]["subtasks"][1]["late_records"], 2);
  const auto status = json::parse(Get(base + "/status").body);
  EXPECT_EQ(status["status"], "RUNNING");
  EXPECT_EQ(status["metrics"]["records_in"], 7);
  EXPECT_EQ(status["metrics"]["running_tasks"], 1);
  EXPECT_EQ(job["vertices"][0]["subtasks"][0]["state"], "RUNNING");
  EXPECT_EQ(json::parse(Get(base + "/plan").body)["job_name"], "WordCount");
  EXPECT_EQ(json::parse(Get(base + "/config").body)["parallelism"], 2);
  const auto exceptions = json::parse(Get(base + "/exceptions").body)["exceptions"];
  EXPECT_EQ(exceptions[0]["code"], "HR1401");
  EXPECT_EQ(exceptions[0]["traceback"], "job.py:3");
  const auto watermarks = json::parse(Get(base + "/watermarks").body)["vertices"][0];
  EXPECT_EQ(watermarks["watermark_ms"], 1000) << "an idle subtask does not count";
  EXPECT_EQ(watermarks["subtasks"][0]["held_by"], (json{{"split", "topic-3"}, {"watermark_ms", 900}, {"since", 5}}));
  EXPECT_EQ(watermarks["subtasks"][0]["paused"], (json{"topic-1"}));
  EXPECT_EQ(watermarks["subtasks"][1]["idle"], true);
  EXPECT_EQ(watermarks["subtasks"][1]["held_by"], nullptr);
  const auto cluster = json::parse(Get("/cluster/metrics").body);
  EXPECT_EQ(cluster["total_slots"], 12);
  EXPECT_EQ(cluster["available_slots"], 3);
  EXPECT_EQ(cluster["utilization"], 0.75);
  const auto tm = json::parse(Get("/taskmanagers").body)["task_managers"][0];
  EXPECT_EQ(tm["task_manager_id"], "tm-1");
  EXPECT_EQ(tm["task_slots"], 4);
  EXPECT_EQ(json::parse(Send("POST", base + "/cancel").body)["status"], "CANCELED");
  ExpectProblem(Send("POST", base + "/cancel?with_savepoint=true"), 400, "HR1001");
  EXPECT_EQ(json::parse(Get("/version").body)["version"], "1.2.3");
  EXPECT_EQ(json::parse(Get("/leader").body)["epoch"], 7);
  EXPECT_EQ(json::parse(Get("/openapi.json").body)["openapi"], "3.1.0");
  EXPECT_EQ(json::parse(Get("/config").body)["rest.port"]["value"], "0");
}

TEST_F(RestServerTest, HealthAnswersWhileTheControlLoopIsBusy) {
  Start();
  std::promise<void> release;
  dispatcher_.executor().Post([&] { release.get_future().wait(); });
  EXPECT_EQ(Get("/health/live").status, 200);
  EXPECT_EQ(Get("/health").status, 503);
  const auto ready = Get("/health/ready");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(json::parse(ready.body)["reason"], "the control loop does not answer");
  EXPECT_EQ(Get("/version").status, 200);
  release.set_value();
  EXPECT_EQ(Get("/health/ready").status, 200);
}

TEST_F(RestServerTest, ReadinessNamesWhatIsMissing) {
  Start();
  job::ClusterView cluster;
  dispatcher_.set_cluster(cluster);
  EXPECT_EQ(Get("/health").status, 200);
  EXPECT_EQ(json::parse(Get("/health/ready").body)["reason"], "the metadata store cannot be reached");
  cluster.store_reachable = true;
  dispatcher_.set_cluster(cluster);
  EXPECT_EQ(json::parse(Get("/health/ready").body)["reason"], "no JobManager leads yet");
  cluster.leader_address = "other:6123";  // a follower knows the leader
  dispatcher_.set_cluster(cluster);
  EXPECT_EQ(Get("/health/ready").status, 200);
}

TEST_F(RestServerTest, AnAnswerAfterTheServerIsGoneIsHarmless) {
  Start();
  std::promise<void> release;
  dispatcher_.executor().Post([&] { release.get_future().wait(); });
  auto client = std::async(std::launch::async, [port = server_->port()] {
    net::HttpClient impatient("127.0.0.1", port);
    impatient.set_timeout(std::chrono::milliseconds(200));
    return impatient.Get("/jobs");
  });
  EXPECT_FALSE(client.get().ok());
  server_->RequestStop();
  release.set_value();
  server_.reset();
  std::promise<void> drained;
  dispatcher_.executor().Post([&] { drained.set_value(); });
  drained.get_future().wait();
}

TEST(ApiDescription, AnOperationWithoutARoleIsRefused) {
  EXPECT_FALSE(ApiDescription::Parse("paths: {/x: {get: {summary: y}}}").ok());
  EXPECT_FALSE(ApiDescription::Parse("paths: {/x: {get: {x-headrace-role: king}}}").ok());
  EXPECT_FALSE(ApiDescription::Parse("[]").ok());
  EXPECT_FALSE(ApiDescription::Parse("paths: [").ok());
}

}  // namespace
}  // namespace headrace::control::rest
