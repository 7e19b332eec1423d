#include <array>

#include "data/join/interval_join.h"
#include "data/join/regular_join.h"
#include "data/join/tests/typed_rows.h"
#include "data/join/version_join.h"
#include "data/join/window_join.h"
#include "plan/job_graph.h"

namespace headrace::data::join {
namespace {

using Kind = plan::JoinSpec::Kind;
constexpr std::array kAllKinds = {Kind::kInner, Kind::kLeft, Kind::kRight, Kind::kFull, Kind::kSemi, Kind::kAnti};
using Sides = std::array<std::vector<ModelRow>, 2>;
using Held = std::map<std::string, int>;

/// Whether two rows meet is up to `meets`; null keys never do. Rows of the left schema (k, v) and the right one (k, w).
template <typename Meets>
Held Model(Kind kind, const Sides& sides, Meets meets) {
  Held held;
  std::vector<int> met(sides[1].size(), 0);
  const bool left_only = kind == Kind::kSemi || kind == Kind::kAnti;
  for (const ModelRow& left : sides[0]) {
    int matches = 0;
    for (std::size_t r = 0; r < sides[1].size(); ++r) {
      const ModelRow& right = sides[1][r];
      if (!left.key || left.key != right.key || !meets(left, right)) continue;
      ++matches;
      ++met[r];
      if (!left_only) ++held[fmt::format("{}|{}|{}", KeyText(left.key), left.value, right.value)];
    }
    if (left_only && (matches > 0) == (kind == Kind::kSemi)) ++held[fmt::format("{}|{}", KeyText(left.key), left.value)];
    if (matches == 0 && (kind == Kind::kLeft || kind == Kind::kFull)) ++held[fmt::format("{}|{}|null", KeyText(left.key), left.value)];
  }
  for (std::size_t r = 0; r < sides[1].size(); ++r)
    if (met[r] == 0 && (kind == Kind::kRight || kind == Kind::kFull))
      ++held[fmt::format("{}|null|{}", KeyText(sides[1][r].key), sides[1][r].value)];
  return held;
}

plan::JoinSpec SpecOf(Kind kind, plan::JoinSpec::Bound bound) {
  plan::JoinSpec spec;
  spec.kind = kind;
  spec.bound = bound;
  spec.left_keys = spec.right_keys = {"k"};
  return spec;
}

const std::array<std::shared_ptr<arrow::Schema>, 2>& Inputs() {
  static const std::array<std::shared_ptr<arrow::Schema>, 2> inputs = {ModelSchema("v"), ModelSchema("w")};
  return inputs;
}

plan::JoinColumns Columns(const plan::JoinSpec& spec) {
  plan::OperatorSpec op;
  op.kind = spec;
  return plan::ColumnsOf(op, spec, {Inputs()[0], Inputs()[1]}).ValueOrDie();
}

std::optional<std::int64_t> RandomKey(std::mt19937_64* random) {
  const std::uint64_t key = (*random)() % 8;
  return key == 7 ? std::nullopt : std::optional<std::int64_t>(static_cast<std::int64_t>(key));
}

std::vector<ModelRow> RandomRows(std::size_t count, std::int64_t span_ms, std::mt19937_64* random) {
  std::vector<ModelRow> rows;
  for (std::size_t i = 0; i < count; ++i)
    rows.push_back({RandomKey(random), static_cast<std::int64_t>((*random)() % 5),
                    static_cast<std::int64_t>((*random)() % static_cast<std::uint64_t>(span_ms))});
  return rows;
}

/// Rows come, and some of them go again later.
std::vector<ModelRow> RandomUpdates(std::vector<ModelRow>* held, std::size_t count, std::mt19937_64* random) {
  std::vector<ModelRow> changes;
  for (std::size_t i = 0; i < count; ++i) {
    if (!held->empty() && (*random)() % 3 == 0) {
      const auto gone = held->begin() + static_cast<std::ptrdiff_t>((*random)() % held->size());
      changes.push_back(*gone);
      changes.back().kind = (*random)() % 2 == 0 ? columnar::RowKind::kDelete : columnar::RowKind::kUpdateBefore;
      held->erase(gone);
    } else {
      held->push_back(RandomRows(1, 1, random)[0]);
      changes.push_back(held->back());
    }
  }
  return changes;
}

/// Feeds both sides in random turns. `tell(watermark)` comes after each batch with the time that no later row is behind.
template <typename Tell>
void Feed(op::Operator* join, const Sides& sides, bool times, bool kinds, std::mt19937_64* random, FoldedRows* out, Tell tell) {
  const std::array batches = {Cut(sides[0], random), Cut(sides[1], random)};
  std::array<std::size_t, 2> at = {0, 0};
  while (at[0] < batches[0].size() || at[1] < batches[1].size()) {
    std::size_t side = (*random)() % 2;
    if (at[side] == batches[side].size()) side = 1 - side;
    const Status taken =
        join->Process(static_cast<std::uint32_t>(side), BatchOf(batches[side][at[side]], side == 0 ? "v" : "w", times, kinds), out);
    ASSERT_TRUE(taken.ok()) << taken.ToString();
    ++at[side];
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    for (const std::size_t s : {0, 1})
      for (std::size_t b = at[s]; b < batches[s].size(); ++b)
        for (const ModelRow& row : batches[s][b]) least = std::min(least, row.time_ms);
    if (least != std::numeric_limits<std::int64_t>::max()) tell(least - 1);
  }
}

/// Tells a watermark when it rises, and runs what it fires.
class Watermarks {
 public:
  Watermarks(op::Operator* join, FoldedRows* out) : join_(join), out_(out) {}
  void operator()(std::int64_t watermark_ms) {
    if (watermark_ms <= last_ms_) return;
    last_ms_ = watermark_ms;
    Check(join_->OnWatermark({watermark_ms}, out_));
    if (join_->passes_watermarks()) out_->Pass(watermark_ms);
  }
  void Finish() { Check(join_->Finish(out_)); }

 private:
  void Check(const Status& status) {
    ASSERT_TRUE(status.ok()) << status.ToString();
    while (join_->busy()) {
      const Status polled = join_->Poll(out_);
      ASSERT_TRUE(polled.ok()) << polled.ToString();
    }
  }
  op::Operator* join_;
  FoldedRows* out_;
  std::int64_t last_ms_ = -1;
};

std::vector<ModelRow> ByTime(std::vector<ModelRow> rows, std::uint64_t disorder_ms, std::mt19937_64* random) {
  std::vector<std::pair<std::int64_t, ModelRow>> order;
  for (const ModelRow& row : rows) order.emplace_back(row.time_ms + static_cast<std::int64_t>((*random)() % disorder_ms), row);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = order[i].second;
  return rows;
}

TEST(RegularJoin, EqualsTheModelWhateverComesAndGoes) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    for (const Kind kind : kAllKinds) {
      std::mt19937_64 random(seed);
      std::atomic<std::int64_t> state_bytes = 0;
      const auto spec = SpecOf(kind, plan::JoinSpec::Bound::kNone);
      Sides held, changes;
      for (const std::size_t side : {0, 1}) changes[side] = RandomUpdates(&held[side], 60, &random);
      FoldedRows out;
      {
        auto join = RegularJoin::Make(spec, Columns(spec), Inputs(), /*right_updates=*/true, /*kinds=*/true).ValueOrDie();
        op::OperatorContext context;
        context.state_bytes = &state_bytes;
        ASSERT_TRUE(join->Open(context).ok());
        Feed(join.get(), changes, false, true, &random, &out, [](std::int64_t) {});
        EXPECT_GT(state_bytes, 0);
      }
      EXPECT_EQ(out.rows(), Model(kind, held, [](const ModelRow&, const ModelRow&) { return true; }))
          << "seed " << seed << ", kind " << static_cast<int>(kind);
      EXPECT_EQ(state_bytes, 0);
    }
  }
}

TEST(RegularJoin, ForgetsRowsWhenTheirTimeIsOver) {
  auto spec = SpecOf(Kind::kInner, plan::JoinSpec::Bound::kNone);
  spec.ttl_ms = {1600, 0};
  ManualClock clock;
  auto join = RegularJoin::Make(spec, Columns(spec), Inputs(), false, false).ValueOrDie();
  op::OperatorContext context;
  context.clock = &clock;
  ASSERT_TRUE(join->Open(context).ok());
  FoldedRows out;
  ASSERT_TRUE(join->Process(0, BatchOf({{1, 10}}, "v", false, false), &out).ok());
  clock.Advance(std::chrono::milliseconds(1500));
  ASSERT_TRUE(join->Process(1, BatchOf({{1, 20}}, "w", false, false), &out).ok());
  EXPECT_EQ(out.rows(), (Held{{"key number 1|10|20", 1}}));
  EXPECT_LT(join->next_poll(), MonotonicTime::max());
  clock.Advance(std::chrono::milliseconds(300));
  ASSERT_TRUE(join->Poll(&out).ok());
  EXPECT_EQ(join->next_poll(), MonotonicTime::max());
  ASSERT_TRUE(join->Process(1, BatchOf({{1, 30}}, "w", false, false), &out).ok());
  ASSERT_TRUE(join->Process(0, BatchOf({{1, 11}}, "v", false, false), &out).ok());
  EXPECT_EQ(out.rows(), (Held{{"key number 1|10|20", 1}, {"key number 1|11|20", 1}, {"key number 1|11|30", 1}}));
}

TEST(IntervalJoin, EqualsTheModelAndIsNeverBehindItsWatermarks) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    for (const Kind kind : kAllKinds) {
      std::mt19937_64 random(seed);
      auto spec = SpecOf(kind, plan::JoinSpec::Bound::kInterval);
      spec.lower_ms = static_cast<std::int64_t>(random() % 120) - 60;
      spec.upper_ms = spec.lower_ms + static_cast<std::int64_t>(random() % 80);
      Sides sides;
      for (auto& side : sides) side = ByTime(RandomRows(60, 500, &random), 40, &random);
      auto join = IntervalJoin::Make(spec, Columns(spec), Inputs()).ValueOrDie();
      ASSERT_TRUE(join->Open({}).ok());
      FoldedRows out;
      Watermarks tell(join.get(), &out);
      Feed(join.get(), sides, true, false, &random, &out, std::ref(tell));
      tell.Finish();
      const auto meets = [&](const ModelRow& left, const ModelRow& right) {
        return right.time_ms >= left.time_ms + spec.lower_ms && right.time_ms <= left.time_ms + spec.upper_ms;
      };
      EXPECT_EQ(out.rows(), Model(kind, sides, meets)) << "seed " << seed << ", kind " << static_cast<int>(kind);
    }
  }
}

TEST(WindowJoin, EqualsTheModelForTumblingWindows) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    for (const Kind kind : kAllKinds) {
      std::mt19937_64 random(seed);
      auto spec = SpecOf(kind, plan::JoinSpec::Bound::kWindow);
      spec.window.kind = plan::Window::Kind::kTumbling;
      spec.window.size_ms = 1 + random() % 90;
      spec.window.offset_ms = static_cast<std::int64_t>(random() % 20);
      Sides sides;
      for (auto& side : sides) side = ByTime(RandomRows(80, 500, &random), 40, &random);
      auto columns = Columns(spec);
      columns.columns.resize(columns.columns.size() - 2);  // the bounds of the window
      columns.schema = arrow::schema({columns.schema->fields().begin(), columns.schema->fields().end() - 2});
      auto join = WindowJoin::Make(spec, columns, Inputs()).ValueOrDie();
      ASSERT_TRUE(join->Open({}).ok());
      FoldedRows out;
      Watermarks tell(join.get(), &out);
      Feed(join.get(), sides, true, false, &random, &out, std::ref(tell));
      tell.Finish();
      const auto window = [&](const ModelRow& row) {
        const std::int64_t from = row.time_ms - spec.window.offset_ms, size = static_cast<std::int64_t>(spec.window.size_ms);
        return from >= 0 ? from / size : -1 - (-from - 1) / size;
      };
      const auto meets = [&](const ModelRow& left, const ModelRow& right) { return window(left) == window(right); };
      EXPECT_EQ(out.rows(), Model(kind, sides, meets)) << "seed " << seed << ", kind " << static_cast<int>(kind);
    }
  }
}

TEST(WindowJoin, ManyPairsOfOneKeyComeInPieces) {
  auto spec = SpecOf(Kind::kInner, plan::JoinSpec::Bound::kWindow);
  spec.window.kind = plan::Window::Kind::kTumbling;
  spec.window.size_ms = 1000;
  auto join = WindowJoin::Make(spec, Columns(spec), Inputs()).ValueOrDie();
  ASSERT_TRUE(join->Open({}).ok());
  FoldedRows out;
  const std::vector<ModelRow> rows(300, ModelRow{1, 5, 10});
  ASSERT_TRUE(join->Process(0, BatchOf(rows, "v", true, false), &out).ok());
  ASSERT_TRUE(join->Process(1, BatchOf(rows, "w", true, false), &out).ok());
  ASSERT_TRUE(join->OnWatermark({999}, &out).ok());
  int polls = 0;
  for (; join->busy(); ++polls) ASSERT_TRUE(join->Poll(&out).ok());
  EXPECT_GE(polls, 300 * 300 / 4096);
  ASSERT_EQ(out.rows().size(), 1u);
  EXPECT_EQ(out.rows().begin()->second, 300 * 300);
}

TEST(VersionJoin, EqualsTheModelWhateverTheOrder) {
  for (std::uint64_t seed = 0; seed < 80; ++seed) {
    for (const Kind kind : {Kind::kInner, Kind::kLeft}) {
      std::mt19937_64 random(seed);
      const auto spec = SpecOf(kind, plan::JoinSpec::Bound::kVersion);
      Sides sides;
      for (auto& side : sides) side = ByTime(RandomRows(60, 500, &random), 60, &random);
      // Versions of one key and time: the one that came last holds, so give each a time of its own.
      for (std::size_t i = 0; i < sides[1].size(); ++i) sides[1][i].time_ms = sides[1][i].time_ms * 100 + static_cast<std::int64_t>(i);
      for (ModelRow& row : sides[0]) row.time_ms = row.time_ms * 100 + 99;
      auto join = VersionJoin::Make(spec, Columns(spec), Inputs()).ValueOrDie();
      ASSERT_TRUE(join->Open({}).ok());
      FoldedRows out;
      Watermarks tell(join.get(), &out);
      Feed(join.get(), sides, true, false, &random, &out, std::ref(tell));
      tell.Finish();
      Held expected;
      for (const ModelRow& left : sides[0]) {
        const ModelRow* version = nullptr;
        for (const ModelRow& right : sides[1])
          if (left.key && right.key == left.key && right.time_ms <= left.time_ms &&
              (version == nullptr || right.time_ms > version->time_ms))
            version = &right;
        if (version != nullptr)
          ++expected[fmt::format("{}|{}|{}", KeyText(left.key), left.value, version->value)];
        else if (kind == Kind::kLeft)
          ++expected[fmt::format("{}|{}|null", KeyText(left.key), left.value)];
      }
      EXPECT_EQ(out.rows(), expected) << "seed " << seed;
    }
  }
}

TEST(VersionJoin, ByArrivalTheLastVersionThatCameHolds) {
  for (const bool timed : {false, true}) {
    auto spec = SpecOf(Kind::kLeft, plan::JoinSpec::Bound::kVersion);
    spec.window.processing_time = true;
    auto join = VersionJoin::Make(spec, Columns(spec), Inputs()).ValueOrDie();
    ASSERT_TRUE(join->Open({}).ok());
    FoldedRows out;
    std::mt19937_64 random(3);
    std::map<std::int64_t, std::int64_t> last;
    Held expected;
    for (std::int64_t step = 0; step < 400; ++step) {
      std::vector<ModelRow> rows;
      const bool left = random() % 2 == 0;
      for (std::uint64_t i = 0; i <= random() % 5; ++i) {
        ModelRow row{std::nullopt, static_cast<std::int64_t>(random() % 1000), static_cast<std::int64_t>(random() % 50)};
        if (random() % 9 != 0) row.key = static_cast<std::int64_t>(random() % 12);
        if (left) {
          const auto found = row.key ? last.find(*row.key) : last.end();
          ++expected[fmt::format("{}|{}|{}", KeyText(row.key), row.value, found == last.end() ? "null" : fmt::format("{}", found->second))];
        } else if (random() % 4 == 0) {
          row.kind = columnar::RowKind::kDelete;
          if (row.key) last.erase(*row.key);
        } else if (row.key) {
          last[*row.key] = row.value;
        }
        rows.push_back(row);
      }
      ASSERT_TRUE(join->Process(left ? 0 : 1, BatchOf(rows, left ? "v" : "w", timed && left, !left), &out).ok());
      EXPECT_EQ(out.rows(), expected) << "at once, at step " << step;
    }
  }
}

}  // namespace
}  // namespace headrace::data::join
