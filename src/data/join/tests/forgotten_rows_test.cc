#include <gtest/gtest.h>

#include <random>

#include "base/clock.h"
#include "data/join/deduplicate.h"
#include "data/join/interval_join.h"
#include "data/join/running_top.h"
#include "data/join/tests/typed_rows.h"
#include "data/join/updating_aggregate.h"
#include "data/join/version_join.h"
#include "data/join/window_join.h"

namespace headrace::data::join {
namespace {

using columnar::RowKind;

constexpr std::uint64_t kTtlMs = 1000;
const auto kTtl = std::chrono::milliseconds(kTtlMs);

/// What comes out, a line a row in order: kind, then columns.
class Lines final : public op::Collector {
 public:
  Status Emit(columnar::DataBatch batch) override { return Take("", batch); }
  Status EmitSide(std::string_view tag, columnar::DataBatch batch) override { return Take(std::string(tag) + ": ", batch); }
  std::vector<std::string> take() { return std::exchange(lines_, {}); }

 private:
  Status Take(const std::string& head, const columnar::DataBatch& batch) {
    const auto& records = *batch.records();
    for (std::int64_t i = 0; i < records.num_rows(); ++i) {
      std::string line = head;
      for (int c = 0; c < records.num_columns(); ++c) {
        if (records.schema()->field(c)->name() == columnar::kEventTimeColumn) continue;
        const std::string value = records.column(c)->GetScalar(i).ValueOrDie()->ToString();
        if (c == batch.row_kind_column())
          line = std::string(1, "+-u-"[std::stoi(value)]) + " " + line;
        else
          line += (c > 0 ? "|" : "") + value;
      }
      lines_.push_back(line);
    }
    return Status::OK();
  }
  std::vector<std::string> lines_;
};
using Text = std::vector<std::string>;

class Forgotten : public testing::Test {
 protected:
  void Open(Result<std::unique_ptr<op::Operator>> made) {
    ASSERT_TRUE(made.ok()) << made.status();
    op_ = std::move(made).ValueOrDie();
    op::OperatorContext context;
    context.clock = &clock_;
    context.state_bytes = &bytes_;
    context.late_records = &late_;
    ASSERT_TRUE(op_->Open(context).ok());
  }
  Text Feed(const std::vector<ModelRow>& rows, bool kinds = false, std::uint32_t input = 0) {
    EXPECT_TRUE(op_->Process(input, BatchOf(rows, input == 0 ? "v" : "w", /*times=*/true, kinds), &out_).ok());
    return out_.take();
  }
  ManualClock clock_;
  std::atomic<std::int64_t> bytes_{0};
  std::atomic<std::uint64_t> late_{0};
  std::unique_ptr<op::Operator> op_;
  Lines out_;
};

TEST_F(Forgotten, AKeyThatWasSeenTooLongAgoIsNewAgain) {
  plan::DeduplicateSpec spec{{"k"}, false, false, kTtlMs};
  Open(Deduplicate::Make(spec, ModelSchema("v"), false));
  EXPECT_EQ(Feed({{1, 10}, {1, 11}}), (Text{"key number 1|10"}));
  clock_.Advance(kTtl - std::chrono::milliseconds(1));
  EXPECT_EQ(Feed({{1, 12}, {2, 20}}), (Text{"key number 2|20"})) << "a row that is left out does not make the key live longer";
  clock_.Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(Feed({{1, 13}, {1, 14}, {2, 21}}), (Text{"key number 1|13"}));
}

TEST_F(Forgotten, ARowThatWasForgottenIsNotTakenBack) {
  plan::DeduplicateSpec spec{{"k"}, true, false, kTtlMs};
  Open(Deduplicate::Make(spec, ModelSchema("v"), /*before=*/true));
  EXPECT_EQ(Feed({{1, 10}}), (Text{"+ key number 1|10"}));
  EXPECT_EQ(Feed({{1, 11}}), (Text{"- key number 1|10", "u key number 1|11"}));
  clock_.Advance(kTtl);
  EXPECT_EQ(Feed({{1, 12}}), (Text{"+ key number 1|12"}));
}

TEST_F(Forgotten, IdleGroupsGiveTheirMemoryBack) {
  plan::DeduplicateSpec spec{{"k"}, true, false, kTtlMs};
  Open(Deduplicate::Make(spec, ModelSchema("v"), /*before=*/true));
  std::int64_t early = 0;
  for (std::int64_t round = 0; round < 600; ++round) {
    std::vector<ModelRow> rows;
    for (std::int64_t i = 0; i < 1000; ++i) rows.push_back({round * 1000 + i, i});
    Feed(rows);
    clock_.Advance(2 * kTtl);
    if (round == 200) early = bytes_.load();
  }
  EXPECT_LT(bytes_.load(), 2 * early);
}

TEST_F(Forgotten, AGroupBeginsAnewAfterItsLastRow) {
  plan::AggregateSpec spec;
  spec.keys = {"k"};
  spec.calls = {{"n", "count", {}, {}, 0, {}, {}}, {"kinds", "count_distinct", {plan::Expression::Column("v")}, {}, 0, {}, {}}};
  spec.ttl_ms = kTtlMs;
  const auto output =
      arrow::schema({arrow::field("k", arrow::utf8()), arrow::field("n", arrow::int64()), arrow::field("kinds", arrow::int64())});
  Open(UpdatingAggregate::Make(spec, ModelSchema("v"), output, /*updates=*/true, /*before=*/false));
  EXPECT_EQ(Feed({{1, 5}, {1, 6}}), (Text{"+ key number 1|2|2"}));
  clock_.Advance(kTtl - std::chrono::milliseconds(1));
  EXPECT_EQ(Feed({{1, 5}}), (Text{"u key number 1|3|2"}));
  clock_.Advance(kTtl);
  EXPECT_EQ(Feed({{1, 6, 0, RowKind::kDelete}}, true), Text{}) << "what was forgotten cannot be taken back";
  EXPECT_EQ(Feed({{1, 5}, {1, 5, 0, RowKind::kDelete}, {1, 7}}, true), (Text{"+ key number 1|1|1"}));
}

TEST_F(Forgotten, TheFirstRowsOfAKeyAreForgottenTogether) {
  plan::TopSpec spec;
  spec.keys = {"k"};
  spec.order = {{"v", true}};
  spec.limit = 1;
  spec.ttl_ms = kTtlMs;
  Open(RunningTop::Make(spec, ModelSchema("v"), ModelSchema("v"), false, /*before=*/true));
  EXPECT_EQ(Feed({{1, 10}, {2, 3}}), (Text{"+ key number 1|10", "+ key number 2|3"}));
  clock_.Advance(kTtl / 2);
  EXPECT_EQ(Feed({{1, 11}}), (Text{"- key number 1|10", "u key number 1|11"}));
  clock_.Advance(kTtl / 2);
  EXPECT_EQ(Feed({{1, 4}, {2, 1}}), (Text{"+ key number 2|1"}));
  clock_.Advance(kTtl);
  EXPECT_EQ(Feed({{3, 1}}), (Text{"+ key number 3|1"})) << "the others are swept here";
  EXPECT_EQ(Feed({{1, 2}, {4, 1}}), (Text{"+ key number 1|2", "+ key number 4|1"}));
}

plan::JoinSpec JoinOf(plan::JoinSpec::Bound bound) {
  plan::JoinSpec spec;
  spec.bound = bound;
  spec.left_keys = spec.right_keys = {"k"};
  spec.late_tags = {"left", "right"};
  return spec;
}

class LateJoins : public Forgotten {
 protected:
  template <typename Join>
  void OpenJoin(const plan::JoinSpec& spec) {
    const std::array<std::shared_ptr<arrow::Schema>, 2> inputs = {ModelSchema("v"), ModelSchema("w")};
    plan::OperatorSpec op;
    op.kind = spec;
    auto columns = plan::ColumnsOf(op, spec, {inputs[0], inputs[1]});
    ASSERT_TRUE(columns.ok()) << columns.status();
    Open(Join::Make(spec, *columns, inputs));
    ASSERT_TRUE(op_->OnWatermark({99}, &out_).ok());
    out_.take();
  }
};

TEST_F(LateJoins, GiveRowsOfBothSidesToTheirOutputs) {
  plan::JoinSpec interval = JoinOf(plan::JoinSpec::Bound::kInterval);
  interval.lower_ms = -5;
  interval.upper_ms = 5;
  OpenJoin<IntervalJoin>(interval);
  EXPECT_EQ(Feed({{1, 1, 99}, {2, 2, 100}, {std::nullopt, 3, 5}}), (Text{"left: key number 1|1", "left: null|3"}));
  EXPECT_EQ(Feed({{2, 7, 98}, {2, 8, 101}}, false, 1), (Text{"key number 2|2|8", "right: key number 2|7"}));
  EXPECT_EQ(late_.load(), 3u);
}

TEST_F(LateJoins, WindowsThatAreOverGiveTheirRowsAway) {
  plan::JoinSpec window = JoinOf(plan::JoinSpec::Bound::kWindow);
  window.window.kind = plan::Window::Kind::kTumbling;
  window.window.size_ms = window.window.slide_ms = 50;
  OpenJoin<WindowJoin>(window);
  EXPECT_EQ(Feed({{1, 1, 60}, {2, 2, 70}}), (Text{"left: key number 1|1", "left: key number 2|2"}));
  EXPECT_EQ(Feed({{1, 1, 60}, {2, 2, 120}}, false, 1), (Text{"right: key number 1|1"}));
  EXPECT_EQ(late_.load(), 3u);
}

TEST_F(LateJoins, OfVersionsTheLeftSideIsLateAlone) {
  plan::JoinSpec version = JoinOf(plan::JoinSpec::Bound::kVersion);
  version.late_tags[1].clear();
  OpenJoin<VersionJoin>(version);
  EXPECT_EQ(Feed({{1, 9, 50}}, false, 1), Text{});
  EXPECT_EQ(Feed({{1, 1, 60}, {1, 2, 120}}), (Text{"left: key number 1|1"}));
  EXPECT_EQ(late_.load(), 1u);
}

}  // namespace
}  // namespace headrace::data::join
