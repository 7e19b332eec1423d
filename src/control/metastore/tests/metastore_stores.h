#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "base/executor.h"
#include "base/random.h"
#include "control/metastore/memory_metastore.h"
#include "control/metastore/metastore.h"

namespace headrace::control::metastore {

/// Waits on the calling thread for the answer of one call: `Await<T>([&](Answer<T> a) { store->Call(..., a); })`.
template <typename T, typename Call>
Outcome<T> Await(Call call) {
  auto promise = std::make_shared<std::promise<Outcome<T>>>();
  auto future = promise->get_future();
  call(Answer<T>([promise](Outcome<T> outcome) { promise->set_value(std::move(outcome)); }));
  if (future.wait_for(std::chrono::seconds(30)) != std::future_status::ready) {
    ADD_FAILURE() << "no answer within 30 s";
    return Outcome<T>::Unknown(Error(ErrorCode::kInternal, "no answer"));
  }
  return future.get();
}

/// A folder that goes with its owner.
class TempFolder {
 public:
  TempFolder() : path_(std::filesystem::temp_directory_path() / ("headrace-metastore-" + SystemRandom().NextHex(12))) {
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string File(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// Each kind opens any number of stores, one after the other, over the same rows.
class MemoryStores {
 public:
  std::unique_ptr<Metastore> Open(Executor* executor) { return MakeMemoryMetastore(executor, tables_); }

 private:
  std::shared_ptr<MemoryTables> tables_ = MakeMemoryTables();
};

class SqliteStores {
 public:
  std::unique_ptr<Metastore> Open(Executor* executor) {
    auto store = OpenSqliteMetastore(folder_.File("deep/er/metadata.db"), executor);
    if (!store.ok()) ADD_FAILURE() << store.status().ToString();
    return store.ok() ? std::move(store).ValueUnsafe() : nullptr;
  }

 private:
  TempFolder folder_;
};

}  // namespace headrace::control::metastore
