#pragma once
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/waker.h"
#include "columnar/value_column.h"
#include "data/python/worker_pool.h"

namespace headrace::data::python {

inline std::string TestPython() { return std::string(HEADRACE_SOURCE_DIR) + "/.venv/bin/python"; }

/// Pickles Python functions as the headrace package does. `source` is one expression, or a block that assigns `f`.
inline std::string PickledFunction(const std::string& source) {
  static int counter = 0;
  const std::string path = "/tmp/headrace-test-function-" + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".py";
  std::FILE* script = std::fopen(path.c_str(), "w");
  std::fputs("import sys\nfrom headrace.functions import pack_function\n", script);
  std::fputs(source.find("f = ") == std::string::npos && source.find("def f") == std::string::npos ? ("f = " + source + "\n").c_str()
                                                                                                   : (source + "\n").c_str(),
             script);
  std::fputs("sys.stdout.buffer.write(pack_function(f, []))\n", script);
  std::fclose(script);
  std::string pickled;
  std::FILE* pipe = ::popen(("PYTHONPATH=" + std::string(HEADRACE_SOURCE_DIR) + "/python " + TestPython() + " " + path).c_str(), "r");
  char buffer[4096];
  for (std::size_t got; (got = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) pickled.append(buffer, got);
  EXPECT_EQ(::pclose(pipe), 0) << source;
  std::remove(path.c_str());
  return pickled;
}

using Verb = plan::PythonFunction::Verb;
inline StageSpec::Function Function(Verb verb, const std::string& name, const std::string& source) {
  return {verb, OperatorUid("uid-" + name), name, PickledFunction(source)};
}

/// A waker that a test thread can wait for.
class WaitableWaker final : public Waker {
 public:
  void Wake() override {
    std::lock_guard lock(mutex_);
    ++wakes_;
    changed_.notify_all();
  }
  /// Until `done` holds, looking again at every wake; false after 20 s.
  template <typename Predicate>
  bool WaitUntil(Predicate done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (;;) {
      std::uint64_t seen;
      {
        std::lock_guard lock(mutex_);
        seen = wakes_;
      }
      if (done()) return true;
      std::unique_lock lock(mutex_);
      if (!changed_.wait_until(lock, deadline, [&] { return wakes_ != seen; })) return done();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t wakes_ = 0;
};

inline columnar::DataBatch TextBatch(const std::vector<std::string>& rows) {
  columnar::ValueBatchBuilder builder(columnar::ValueForm::kUtf8);
  for (const auto& row : rows) EXPECT_TRUE(builder.AppendBytes(row).ok());
  return builder.Finish().ValueOrDie();
}

/// All rows as JSON text.
inline std::vector<std::string> Rows(const columnar::DataBatch& batch) {
  std::vector<std::string> rows;
  auto reader = columnar::ValueRowReader::Make(batch).ValueOrDie();
  for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
    std::string text;
    EXPECT_TRUE(reader.AppendRowJson(row, &text).ok());
    rows.push_back(text);
  }
  return rows;
}

inline WorkerPoolOptions TestPoolOptions() {
  WorkerPoolOptions options;
  options.python_executable = TestPython();
  options.job_id = "test";
  ::setenv("PYTHONPATH", (std::string(HEADRACE_SOURCE_DIR) + "/python").c_str(), 1);
  return options;
}

}  // namespace headrace::data::python
