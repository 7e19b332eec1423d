// Word count through the PythonStage and KeyedReduce operators with a real worker, beside the same functions in a bare Python
// loop. Both sides have one core: the process pins itself, and the worker and the bare loop inherit that. Rates are words per
// second of processor time, that of all our threads and the worker together: on a busy machine several threads would get a
// larger share of the clock than one.
// Usage: bench_python_stage PYTHON [pairs].
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <fcntl.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "columnar/value_column.h"
#include "columnar/value_encoding.h"
#include "data/operator/chain.h"
#include "data/python/keyed_reduce.h"
#include "data/python/python_stage.h"
#include "data/python/worker_pool.h"

namespace headrace::data::python {
namespace {

using Verb = plan::PythonFunction::Verb;
using nlohmann::json;

constexpr int kLines = 20'000, kWordsPerLine = 20, kVocabulary = 100'000;
constexpr std::int64_t kLinesPerBatch = 512, kRowsPerBatch = 8192;

constexpr const char* kFunctions = R"(
split = str.split
def to_pair(word): return (word, 1)
def first(pair): return pair[0]
def add(a, b): return (a[0], a[1] + b[1])
)";

// The hand-written loop over batches of the same size, so that it keeps no more rows alive than we do. Reads the lines, then on
// every line of stdin runs one case and prints seconds, rows and a digest.
constexpr const char* kBareLoop = R"(
import gc, json, sys, time
gc.set_threshold(100_000, 20, 20)
lines = open(sys.argv[1]).read().splitlines()
line_batches = [lines[i:i + 512] for i in range(0, len(lines), 512)]
def flat_map_map_key_by(lines, counts):
    out = []
    for line in lines:
        for word in split(line):
            pair = to_pair(word)
            out.append((first(pair), pair))
    return out
pairs = [pair for batch in line_batches for pair in flat_map_map_key_by(batch, None)]
pair_batches = [pairs[i:i + 8192] for i in range(0, len(pairs), 8192)]
gc.freeze()
def reduce(pairs, counts):
    out = []
    for key, pair in pairs:
        state = counts.get(key)
        state = pair if state is None else add(state, pair)
        counts[key] = state
        out.append(state)
    return out
def word_count(lines, counts):
    out = []
    for line in lines:
        for word in split(line):
            pair = to_pair(word)
            key = first(pair)
            state = counts.get(key)
            state = pair if state is None else add(state, pair)
            counts[key] = state
            out.append(state)
    return out
def fnv(text):
    h = 2166136261
    for b in text.encode(): h = (h ^ b) * 16777619 & 0xffffffff
    return h
for line in sys.stdin:
    case = line.strip()
    function = globals()[case]
    batches = pair_batches if case == "reduce" else line_batches
    counts, rows = {}, 0
    start = time.process_time()
    for batch in batches:
        rows += len(function(batch, counts))
    seconds = time.process_time() - start
    digest = sum(fnv(word) * n for word, n in counts.values()) % 2**32 or sum(len(key) for key, _ in pairs)
    print(json.dumps({"seconds": seconds, "rows": rows, "digest": digest}), flush=True)
)";

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "bench_python_stage: %s\n", why.c_str());
  std::exit(1);
}
void Check(const Status& status) {
  if (!status.ok()) Die(status.ToString());
}

std::string Write(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr || std::fwrite(text.data(), 1, text.size(), file) != text.size()) Die("cannot write " + path);
  std::fclose(file);
  return path;
}

std::string RunForOutput(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::string out;
  char buffer[4096];
  for (std::size_t got; (got = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) out.append(buffer, got);
  if (::pclose(pipe) != 0) Die("failed: " + command);
  return out;
}

/// A Python process that runs the bare loop on demand.
class BareLoop {
 public:
  BareLoop(const std::string& python, const std::string& script, const std::string& lines) {
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) Die("pipe");
    if (::fork() == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::execl(python.c_str(), python.c_str(), script.c_str(), lines.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    ask_ = ::fdopen(in[1], "w");
    answers_ = ::fdopen(out[0], "r");
  }
  ~BareLoop() {
    std::fclose(ask_);
    std::fclose(answers_);
  }
  json Run(const std::string& which) {
    std::fprintf(ask_, "%s\n", which.c_str());
    std::fflush(ask_);
    char line[4096];
    if (std::fgets(line, sizeof(line), answers_) == nullptr) Die("the bare loop ended");
    return json::parse(line);
  }

 private:
  std::FILE* ask_;
  std::FILE* answers_;
};

class BenchWaker final : public Waker {
 public:
  void Wake() override {
    std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_one();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return woken_; });
    woken_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
};

/// One run of batches through a fresh chain (fresh state) on a pool that is warm.
class ChainRun {
 public:
  ChainRun(WorkerPool* pool, std::vector<StageSpec> stages) {
    std::vector<op::ChainLink> links;
    for (auto& stage : stages) {
      std::unique_ptr<op::Operator> made;
      if (stage.functions.front().verb == Verb::kReduce) {
        made = std::make_unique<KeyedReduce>(pool, std::move(stage), 0);
      } else {
        made = std::make_unique<PythonStage>(pool, std::move(stage), 0);
      }
      links.push_back({std::move(made), "bench", "bench", "bench", ""});
    }
    chain_ = std::make_unique<op::Chain>(std::move(links));
    op::OperatorContext context;
    context.waker = &waker_;
    Check(chain_->Open(context));
  }
  std::vector<columnar::DataBatch> Run(const std::vector<columnar::DataBatch>& batches) {
    std::vector<columnar::DataBatch> out;
    std::size_t next = 0;
    bool end_sent = false;
    for (;;) {
      auto moved = chain_->Step();
      Check(moved.status());
      while (chain_->has_output()) {
        auto element = chain_->TakeOutput();
        if (!columnar::IsData(element)) return out;
        out.push_back(std::move(std::get<columnar::DataBatch>(element)));
        *moved = true;
      }
      if (next < batches.size() && chain_->accepting()) {
        Check(chain_->Push(0, batches[next++]));
      } else if (next == batches.size() && !end_sent) {
        Check(chain_->Push(0, columnar::EndOfInput{}));
        end_sent = true;
      } else if (!*moved) {
        waker_.Wait();
      }
    }
  }

 private:
  BenchWaker waker_;
  std::unique_ptr<op::Chain> chain_;
};

/// Processor time of this process and the workers.
double ProcessorSeconds(const WorkerPool& pool) {
  const auto read = [](clockid_t clock) {
    timespec time = {};
    ::clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  };
  double seconds = read(CLOCK_PROCESS_CPUTIME_ID);
  for (const int pid : pool.pids()) {
    clockid_t clock;
    if (::clock_getcpuclockid(pid, &clock) != 0) Die("a worker has gone");
    seconds += read(clock);
  }
  return seconds;
}

struct Case {
  std::string name;
  std::vector<StageSpec> stages;
  const std::vector<columnar::DataBatch>* input;
};

std::uint32_t Fnv(std::string_view text) {
  std::uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619u;
  return hash;
}

std::pair<std::int64_t, std::uint64_t> RowsAndDigest(const std::string& which, const std::vector<columnar::DataBatch>& out) {
  std::int64_t rows = 0;
  std::uint64_t digest = 0;
  std::unordered_map<std::string, std::int64_t> last;
  for (const auto& batch : out) {
    rows += batch.num_rows();
    auto reader = columnar::ValueRowReader::Make(batch).ValueOrDie();
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
      std::string encoded;
      Check(reader.AppendRowEncoded(row, &encoded));
      const auto value = columnar::DecodeValue(encoded).ValueOrDie();
      if (which == "flat_map_map_key_by") {
        digest += value.items.at(0).text.size();
      } else {
        last[value.items.at(0).text] = value.items.at(1).integer;
      }
    }
  }
  for (const auto& [word, count] : last) digest += static_cast<std::uint64_t>(Fnv(word)) * static_cast<std::uint64_t>(count);
  return {rows, which == "flat_map_map_key_by" ? digest : digest % (1ull << 32)};
}

void RunCase(const Case& which, WorkerPool* pool, BareLoop* bare, int pairs) {
  std::vector<double> ratios, ours, limits;
  bool digest_ok = true;
  for (int pair = -1; pair < pairs; ++pair) {
    const json limit = bare->Run(which.name);
    double seconds = 0;
    std::vector<columnar::DataBatch> out;
    {
      ChainRun run(pool, which.stages);
      const double start = ProcessorSeconds(*pool);
      out = run.Run(*which.input);
      seconds = ProcessorSeconds(*pool) - start;
    }
    const auto [rows, digest] = RowsAndDigest(which.name, out);
    digest_ok = digest_ok && rows == limit["rows"].get<std::int64_t>() && digest == limit["digest"].get<std::uint64_t>();
    if (pair < 0) continue;  // warms both sides
    ours.push_back(static_cast<double>(rows) / seconds);
    limits.push_back(limit["rows"].get<double>() / limit["seconds"].get<double>());
    ratios.push_back(ours.back() / limits.back());
  }
  for (auto* values : {&ratios, &ours, &limits}) std::sort(values->begin(), values->end());
  const auto median = [](const std::vector<double>& sorted) { return sorted[sorted.size() / 2]; };
  const json row = {{"case", which.name},         {"metric", "words_per_cpu_second"},
                    {"value", median(ours)},      {"unit", "rows/s"},
                    {"limit", median(limits)},    {"ratio_to_limit", median(ratios)},
                    {"peer", "bare Python loop"}, {"pairs", pairs},
                    {"min", ratios.front()},      {"max", ratios.back()},
                    {"digest_ok", digest_ok}};
  std::printf("%s\n", row.dump().c_str());
  std::fflush(stdout);
}

std::vector<columnar::DataBatch> MakeLines(std::string* text) {
  SeededRandom random(1);
  std::vector<columnar::DataBatch> batches;
  columnar::ValueBatchBuilder builder(columnar::ValueForm::kUtf8);
  for (int i = 0; i < kLines; ++i) {
    std::string line;
    for (int w = 0; w < kWordsPerLine; ++w) {
      const double r = random.NextDouble();
      line += (w == 0 ? "word" : " word") + std::to_string(static_cast<int>(kVocabulary * r * r * r * r));
    }
    *text += line + "\n";
    Check(builder.AppendBytes(line));
    if (builder.num_rows() == kLinesPerBatch || i + 1 == kLines) batches.push_back(builder.Finish().ValueOrDie());
  }
  return batches;
}

int Main(int argc, char** argv) {
  if (argc < 2) Die("usage: bench_python_stage PYTHON [pairs]");
  const std::string python = argv[1];
  const int pairs = argc > 2 ? std::atoi(argv[2]) : 7;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(::sched_getcpu(), &one);
  ::sched_setaffinity(0, sizeof(one), &one);

  char folder[] = "/tmp/headrace-bench-XXXXXX";
  if (::mkdtemp(folder) == nullptr) Die("mkdtemp");
  const std::string root = folder;
  std::string text;
  const auto lines = MakeLines(&text);
  BareLoop bare(python, Write(root + "/bare.py", std::string(kFunctions) + kBareLoop), Write(root + "/lines.txt", text));
  const auto function = [&](Verb verb, const std::string& name) {
    const std::string script =
        Write(root + "/pack.py", std::string(kFunctions) +
                                     "import sys\nfrom headrace.functions import pack_function\nsys.stdout.buffer.write(pack_function(" +
                                     name + ", []))\n");
    return StageSpec::Function{verb, OperatorUid(name), name, RunForOutput(python + " " + script)};
  };
  const StageSpec split{{function(Verb::kFlatMap, "split"), function(Verb::kMap, "to_pair"), function(Verb::kKeyBy, "first")}};
  const StageSpec reduce{{function(Verb::kReduce, "add")}};
  WorkerPoolOptions options;
  options.python_executable = python;
  options.job_id = "bench";
  options.arenas_per_worker = 12;
  auto pool = StartWorkerPool(options).ValueOrDie();
  const auto pieces = ChainRun(pool.get(), {split}).Run(lines);
  std::vector<columnar::DataBatch> keyed;
  for (const auto& batch : pieces) {
    for (std::int64_t at = 0; at < batch.num_rows(); at += kRowsPerBatch)
      keyed.push_back(batch.Slice(at, std::min(kRowsPerBatch, batch.num_rows() - at)));
  }
  for (const Case& which :
       {Case{"flat_map_map_key_by", {split}, &lines}, Case{"reduce", {reduce}, &keyed}, Case{"word_count", {split, reduce}, &lines}})
    RunCase(which, pool.get(), &bare, pairs);
  pool->RequestStop();
  pool->Join();
  for (const char* file : {"/bare.py", "/lines.txt", "/pack.py"}) ::unlink((root + file).c_str());
  ::rmdir(folder);
  return 0;
}

}  // namespace
}  // namespace headrace::data::python

int main(int argc, char** argv) { return headrace::data::python::Main(argc, argv); }
