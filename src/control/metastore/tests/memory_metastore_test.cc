#include "control/metastore/memory_metastore.h"

#include <gtest/gtest.h>

#include <optional>

namespace headrace::control::metastore {
namespace {

TEST(MemoryMetastore, RowsOutliveTheStoreAndFenceItsOldHolder) {
  ManualClock clock;
  ManualExecutor executor(&clock);
  const auto tables = MakeMemoryTables();
  auto before = MakeMemoryMetastore(&executor, tables);
  std::optional<LeaderGrant> old_grant, new_grant;
  before->TakeLeadership(Incarnation("one"), std::nullopt, "a:1", [&](auto o) { old_grant = o.value(); });
  executor.RunReady();
  before->InsertJob(*old_grant, std::make_shared<const JobRecord>(JobRecord{JobId("j"), "n", "file", 0, 1, ""}),
                    [](auto o) { EXPECT_TRUE(o.done()); });

  auto after = MakeMemoryMetastore(&executor, tables);
  after->TakeLeadership(Incarnation("two"), std::nullopt, "b:1", [&](auto o) { new_grant = o.value(); });
  executor.RunReady();
  EXPECT_EQ(new_grant->epoch, old_grant->epoch + 1);
  bool deposed = false, listed = false;
  before->NextDeployment(*old_grant, JobId("j"), [&](auto o) { deposed = o.not_done() && CodeOf(o.reason()) == ErrorCode::kDeposed; });
  after->ListUnfinished([&](auto o) { listed = o.done() && o.value().size() == 1; });
  EXPECT_FALSE(deposed) << "answers come through the executor, never inside the call";
  executor.RunReady();
  EXPECT_TRUE(deposed);
  EXPECT_TRUE(listed);
}

}  // namespace
}  // namespace headrace::control::metastore
