#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "control/metastore/sqlite/sqlite_database.h"
#include "control/metastore/tests/metastore_stores.h"

namespace headrace::control::metastore {
namespace {

/// This program again, running one of the Child tests below on `path`. It writes a byte whenever it got where the test wants
/// it; killed at the end. A program of its own, because a fork of one with threads may not start threads.
class Child {
 public:
  Child(const std::string& role, const std::string& path) {
    EXPECT_EQ(pipe(pipe_), 0);
    const std::string filter = "--gtest_filter=SqliteChild.DISABLED_" + role, fd = std::to_string(pipe_[1]);
    setenv("HEADRACE_TEST_CHILD_PATH", path.c_str(), 1);
    setenv("HEADRACE_TEST_CHILD_FD", fd.c_str(), 1);
    std::string program = "/proc/self/exe", also = "--gtest_also_run_disabled_tests", own = filter;
    char* arguments[] = {program.data(), also.data(), own.data(), nullptr};
    EXPECT_EQ(posix_spawn(&pid_, program.c_str(), nullptr, nullptr, arguments, environ), 0);
    close(pipe_[1]);
  }
  ~Child() {
    Kill();
    close(pipe_[0]);
  }
  bool AwaitByte() {
    char byte;
    return read(pipe_[0], &byte, 1) == 1;
  }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  static void Report() { EXPECT_EQ(write(std::atoi(std::getenv("HEADRACE_TEST_CHILD_FD")), "x", 1), 1); }
  static std::string Path() { return std::getenv("HEADRACE_TEST_CHILD_PATH"); }

 private:
  int pipe_[2];
  pid_t pid_ = -1;
};

TEST(SqliteChild, DISABLED_HoldTheFile) {
  ThreadExecutor executor("answers");
  const auto store = OpenSqliteMetastore(Child::Path(), &executor);
  ASSERT_TRUE(store.ok());
  Child::Report();
  pause();
}

TEST(SqliteChild, DISABLED_WriteForEver) {
  ThreadExecutor executor("answers");
  auto store = OpenSqliteMetastore(Child::Path(), &executor).ValueOrDie();
  const auto grant = Await<LeaderGrant>([&](auto a) { store->TakeLeadership(Incarnation("w"), std::nullopt, "", a); }).value();
  for (int i = 0;; ++i) {
    const auto done = Await<Nothing>([&](auto a) {
      store->InsertJob(grant, std::make_shared<const JobRecord>(JobRecord{JobId(std::to_string(i)), "n", "f", 0, 0, ""}), a);
    });
    if (done.done()) Child::Report();
  }
}

TEST(SqliteMetastore, SecondProcessOnTheFileIsRefusedUntilTheFirstDies) {
  const TempFolder folder;
  const std::string path = folder.File("metadata.db");
  Child holder("HoldTheFile", path);
  ASSERT_TRUE(holder.AwaitByte());
  ThreadExecutor executor("answers");
  const auto second = OpenSqliteMetastore(path, &executor);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(CodeOf(second.status()), ErrorCode::kConflict);
  EXPECT_NE(second.status().message().find("in use by another process"), std::string::npos) << second.status().message();
  holder.Kill();
  const auto third = OpenSqliteMetastore(path, &executor);
  EXPECT_TRUE(third.ok()) << third.status().ToString();
}

TEST(SqliteMetastore, EveryAnsweredWriteSurvivesKill) {
  const TempFolder folder;
  const std::string path = folder.File("metadata.db");
  Child writer("WriteForEver", path);
  std::size_t answered = 0;
  while (answered < 50 && writer.AwaitByte()) ++answered;
  ASSERT_EQ(answered, 50u);
  writer.Kill();
  ThreadExecutor executor("answers");
  auto store = OpenSqliteMetastore(path, &executor);
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  const auto jobs = Await<std::vector<JobRecord>>([&](auto a) { (*store)->ListUnfinished(a); }).value();
  EXPECT_GE(jobs.size(), answered);
  for (std::size_t i = 0; i < jobs.size(); ++i) EXPECT_EQ(jobs[i].id.str(), std::to_string(i));
}

TEST(SqliteMetastore, NewerSchemaIsRefusedAndLeftAlone) {
  const TempFolder folder;
  const std::string path = folder.File("metadata.db");
  {
    auto db = SqliteDatabase::Open(path).ValueOrDie();
    ASSERT_TRUE(db->Migrate().ok());
    ASSERT_TRUE(db->Execute("INSERT INTO schema_version VALUES (9999, 'from the future')").ok());
  }
  ThreadExecutor executor("answers");
  const auto store = OpenSqliteMetastore(path, &executor);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(CodeOf(store.status()), ErrorCode::kStoreCorrupt);
  EXPECT_NE(store.status().message().find("9999"), std::string::npos);
}

TEST(SqliteMetastore, MigratingTwiceChangesNothing) {
  const TempFolder folder;
  auto db = SqliteDatabase::Open(folder.File("metadata.db")).ValueOrDie();
  ASSERT_TRUE(db->Migrate().ok());
  ASSERT_TRUE(db->Execute("UPDATE leader_epoch SET epoch = 7").ok());
  ASSERT_TRUE(db->Migrate().ok());
  auto read = db->Prepare("SELECT epoch FROM leader_epoch").ValueOrDie();
  ASSERT_TRUE(read.Step().ValueOrDie());
  EXPECT_EQ(read.Int64(0), 7);
}

TEST(SqliteMetastore, FileThatIsNoDatabaseIsCorruptNotOverwritten) {
  const TempFolder folder;
  const std::string path = folder.File("metadata.db");
  const std::string text(8192, 'x');
  std::ofstream(path) << text;
  ThreadExecutor executor("answers");
  const auto store = OpenSqliteMetastore(path, &executor);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(CodeOf(store.status()), ErrorCode::kStoreCorrupt) << store.status().ToString();
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text);
}

TEST(SqliteMetastore, FolderThatCannotBeMadeIsNamed) {
  ThreadExecutor executor("answers");
  const auto store = OpenSqliteMetastore("/proc/nowhere/metadata.db", &executor);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(CodeOf(store.status()), ErrorCode::kStoreUnavailable);
  EXPECT_NE(store.status().message().find("/proc/nowhere"), std::string::npos);
}

}  // namespace
}  // namespace headrace::control::metastore
