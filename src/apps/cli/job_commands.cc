#include <fmt/core.h>
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/cli/command.h"
#include "apps/cli/rest_client.h"
#include "apps/cli/table.h"

namespace headrace::apps::cli {
namespace {

using nlohmann::json;

std::string TextOf(const json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

/// Epoch milliseconds as local date and time; "-" when absent.
std::string TimeOf(const json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return "-";
  const std::time_t seconds = found->get<std::int64_t>() / 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[32];
  return std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local) > 0 ? text : "-";
}

Result<RestClient> Connect(const CommandLine& line) {
  HR_ASSIGN_OR_RAISE(Settings settings, line.LoadSettings());
  return RestClient::Make(settings, line.manager);
}

void Print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}
void Say(const std::string& text) { std::fputs((text + "\n").c_str(), stderr); }

Status Submit(const CommandLine& line, const std::string& path, const std::string& name, std::uint32_t parallelism, bool validate_only) {
  HR_ASSIGN_OR_RAISE(RestClient client, Connect(line));
  HR_ASSIGN_OR_RAISE(std::string bytes, ReadWholeFile(path));
  std::map<std::string, std::string> fields;
  if (!name.empty()) fields["job_name"] = name;
  if (parallelism > 0) fields["parallelism"] = std::to_string(parallelism);
  HR_ASSIGN_OR_RAISE(json answer, client.Submit(validate_only ? "/jobs/validate" : "/jobs/submit", bytes, fields));
  if (line.output == "json") {
    Print(answer.dump(2) + "\n");
    return Status::OK();
  }
  if (validate_only) {
    Say("The job is valid. Next: headrace submit " + path);
    return Status::OK();
  }
  for (const auto& warning : answer.value("warnings", json::array())) Say("warning: " + warning.get<std::string>());
  Print(fmt::format("{}\n", TextOf(answer, "job_id")));
  Say(fmt::format("{} is {}. Next: headrace status {}", TextOf(answer, "job_id"), TextOf(answer, "status"), TextOf(answer, "job_id")));
  return Status::OK();
}

Status List(const CommandLine& line) {
  HR_ASSIGN_OR_RAISE(RestClient client, Connect(line));
  HR_ASSIGN_OR_RAISE(json answer, client.Get("/jobs"));
  if (line.output == "json") {
    Print(answer.dump(2) + "\n");
    return Status::OK();
  }
  std::vector<std::vector<std::string>> rows = {{"JOB", "NAME", "STATUS", "STARTED", "REASON"}};
  for (const auto& job : answer.value("jobs", json::array()))
    rows.push_back(
        {TextOf(job, "job_id"), TextOf(job, "job_name"), TextOf(job, "status"), TimeOf(job, "start_time"), TextOf(job, "reason")});
  Print(RenderTable(rows));
  if (rows.size() == 1) Say("No jobs. Next: headrace submit FILE");
  return Status::OK();
}

std::string RenderJob(const json& job, bool wide) {
  std::vector<std::vector<std::string>> head = {
      {"job", TextOf(job, "job_id")}, {"name", TextOf(job, "job_name")}, {"status", TextOf(job, "status")}};
  for (const char* key : {"reason", "restarts"})
    if (job.contains(key) && !job[key].is_null() && job[key] != "" && job[key] != 0) head.push_back({key, TextOf(job, key)});
  for (const char* key : {"start_time", "end_time"})
    if (TimeOf(job, key) != "-") head.push_back({key, TimeOf(job, key)});
  std::string out = RenderTable(head);
  std::vector<std::vector<std::string>> rows = {{"VERTEX", "PARALLELISM", "RUNNING", "RECORDS IN", "RECORDS OUT", "NAME"}};
  for (const auto& vertex : job.value("vertices", json::array())) {
    const json totals = vertex.value("metrics", json::object());
    rows.push_back({TextOf(vertex, "vertex"), TextOf(vertex, "parallelism"), TextOf(totals, "running_tasks"), TextOf(totals, "records_in"),
                    TextOf(totals, "records_out"), TextOf(vertex, "name")});
    if (!wide) continue;
    for (const auto& subtask : vertex.value("subtasks", json::array()))
      rows.push_back({"  ." + TextOf(subtask, "subtask"), "", TextOf(subtask, "state"), TextOf(subtask, "records_in"),
                      TextOf(subtask, "records_out"), TextOf(subtask, "task_manager")});
  }
  if (rows.size() > 1) out += "\n" + RenderTable(rows);
  return out;
}

/// What ended the job, or its last deployment: the first failure of that deployment. Null when there was none.
json CauseOf(const json& exceptions) {
  for (const auto& entry : exceptions)
    if (entry.value("deployment", 0) == exceptions.back().value("deployment", 0)) return entry;
  return nullptr;
}

/// Prints the job, with `watch` until it ended; its last status.
Result<std::string> ShowStatus(const CommandLine& line, const std::string& id) {
  HR_ASSIGN_OR_RAISE(RestClient client, Connect(line));
  for (;;) {
    HR_ASSIGN_OR_RAISE(json job, client.Get("/jobs/" + id));
    Print(line.output == "json" ? job.dump(2) + "\n" : RenderJob(job, line.output == "wide"));
    const std::string state = TextOf(job, "status");
    if (state == "FAILED" && line.output != "json") {
      if (auto exceptions = client.Get("/jobs/" + id + "/exceptions"); exceptions.ok()) {
        const json cause = CauseOf(exceptions->value("exceptions", json::array()));
        if (!cause.is_null())
          Print("\ncause: " + TextOf(cause, "message") + "\n" + cause.value("traceback", "") + "hint: " + cause.value("hint", "") + "\n");
      }
    }
    if (!line.watch || state == "FINISHED" || state == "FAILED" || state == "CANCELED") return state;
    // Another process, which tells nothing by itself: it is asked once a second.
    std::this_thread::sleep_for(std::chrono::seconds(1));
    Print("\n");
  }
}

Status Cancel(const CommandLine& line, const std::string& id) {
  HR_ASSIGN_OR_RAISE(RestClient client, Connect(line));
  Say("cancelling " + id + " …");
  HR_ASSIGN_OR_RAISE(json answer, client.Post("/jobs/" + id + "/cancel"));
  Print(line.output == "json" ? answer.dump(2) + "\n" : TextOf(answer, "status") + "\n");
  Say("Its slots are free. Next: headrace list");
  return Status::OK();
}

}  // namespace

void AddJobCommands(CLI::App* app, CommandLine* line) {
  struct Arguments {
    std::string file, id, name;
    std::uint32_t parallelism = 0;
    bool validate_only = false;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* submit = app->add_subcommand("submit", "Send a job file to a JobManager");
  submit->add_option("FILE", arguments->file, "Job file written with pickle.dump(env.get_job_graph(), f); - for standard input")
      ->required();
  submit->add_option("--name", arguments->name, "Name of the job instead of its own");
  submit->add_option("-p,--parallelism", arguments->parallelism, "Parallelism instead of the job's own")->check(CLI::Range(1u, 32768u));
  submit->add_flag("--dry-run", arguments->validate_only, "Check only");
  submit->callback([=] {
    line->run = [=] {
      return PrintFailureOrOk(Submit(*line, arguments->file, arguments->name, arguments->parallelism, arguments->validate_only));
    };
  });
  auto* list = app->add_subcommand("list", "List jobs, newest first");
  list->callback([=] { line->run = [=] { return PrintFailureOrOk(List(*line)); }; });
  auto* status = app->add_subcommand("status", "Show one job");
  status->add_option("ID", arguments->id, "Job id")->required();
  status->add_flag("--watch", line->watch, "Repeat once a second until the job ended; exit code 1 unless it FINISHED");
  status->callback([=] {
    line->run = [=]() -> ExitCode {
      const auto state = ShowStatus(*line, arguments->id);
      if (!state.ok()) return PrintFailure(state.status());
      return line->watch && *state != "FINISHED" ? kExitFailed : kExitOk;
    };
  });
  auto* cancel = app->add_subcommand("cancel", "Cancel one job and wait until its slots are free");
  cancel->add_option("ID", arguments->id, "Job id")->required();
  cancel->callback([=] { line->run = [=] { return PrintFailureOrOk(Cancel(*line, arguments->id)); }; });
}

}  // namespace headrace::apps::cli
