// simulate [--scenario NAME] [--seeds N] [--first S] [--mutation NAME] [--verbose]
// Runs each scenario with N seeds. Exit 1 at the first violation, with the seed. With a planted bug (--mutation) the exit
// code says whether it was found: 0 = found.
#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/logging.h"
#include "tests/simulation/scenarios.h"

namespace headrace::simulation {
namespace {

char current_run[256];
bool looking_for_bug = false;

/// A failed check of the product ends the process: say which run it was.
void OnAbort(int) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, current_run, std::strlen(current_run));
  std::_Exit(looking_for_bug ? 0 : 1);
}

bool SetMutation(const std::string& name, Mutations* mutations) {
  bool* const flag = name == "task_manager_forgets_cancelled"   ? &mutations->task_manager_forgets_cancelled
                     : name == "unknown_cancel_passes_for_done" ? &mutations->unknown_cancel_passes_for_done
                     : name == "unknown_result_passes_for_done" ? &mutations->unknown_result_passes_for_done
                     : name == "deployment_numbers_repeat"      ? &mutations->deployment_numbers_repeat
                     : name == "silence_alone_is_loss"          ? &mutations->silence_alone_is_loss
                                                                : nullptr;
  if (flag != nullptr) *flag = true;
  return flag != nullptr;
}

int Run(int argc, char** argv) {
  std::string only, mutation;
  std::uint64_t seeds = 200, first = 1;
  bool verbose = false;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--verbose") {
      verbose = true;
      continue;
    }
    if (i + 1 == argc) {
      std::fprintf(stderr, "%s needs a value\n", argv[i]);
      return 2;
    }
    const char* value = argv[++i];
    if (flag == "--scenario")
      only = value;
    else if (flag == "--seeds")
      seeds = std::strtoull(value, nullptr, 10);
    else if (flag == "--first")
      first = std::strtoull(value, nullptr, 10);
    else if (flag == "--mutation")
      mutation = value;
    else {
      std::fprintf(stderr, "unknown flag %s\n", flag.c_str());
      return 2;
    }
  }
  Mutations mutations;
  if (!mutation.empty() && !SetMutation(mutation, &mutations)) {
    std::fprintf(stderr, "unknown mutation %s\n", mutation.c_str());
    return 2;
  }
  looking_for_bug = !mutation.empty();
  LogOptions logging;
  logging.level = verbose ? LogLevel::kDebug : LogLevel::kError;
  if (!verbose) logging.file = "/dev/null";
  ConfigureLogging(logging);
  std::signal(SIGABRT, OnAbort);
  std::uint64_t runs = 0;
  for (const Scenario& scenario : Scenarios()) {
    if (!only.empty() && only != scenario.name) continue;
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
      ++runs;
      std::snprintf(current_run, sizeof current_run, "check failed in: simulate --scenario %s --first %llu --seeds 1 --verbose%s%s\n",
                    scenario.name, static_cast<unsigned long long>(seed), mutation.empty() ? "" : " --mutation ", mutation.c_str());
      try {
        Simulation world(seed, mutations);
        scenario.run(world);
      } catch (const Violation& violation) {
        std::printf("%s seed %llu: %s\nagain: simulate --scenario %s --first %llu --seeds 1 --verbose%s%s\n", scenario.name,
                    static_cast<unsigned long long>(seed), violation.what.c_str(), scenario.name, static_cast<unsigned long long>(seed),
                    mutation.empty() ? "" : " --mutation ", mutation.c_str());
        if (mutation.empty()) return 1;
        std::printf("the planted bug was found after %llu runs\n", static_cast<unsigned long long>(runs));
        return 0;
      }
    }
    std::printf("%-32s %llu seeds from %llu: good\n", scenario.name, static_cast<unsigned long long>(seeds),
                static_cast<unsigned long long>(first));
  }
  if (runs == 0) {
    std::fprintf(stderr, "no such scenario\n");
    return 2;
  }
  if (mutation.empty()) return 0;
  std::printf("the planted bug %s was NOT found\n", mutation.c_str());
  return 1;
}

}  // namespace
}  // namespace headrace::simulation

int main(int argc, char** argv) { return headrace::simulation::Run(argc, argv); }
