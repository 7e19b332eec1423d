#include <set>

#include "data/join/deduplicate.h"
#include "data/join/running_top.h"
#include "data/join/tests/typed_rows.h"
#include "data/join/updating_aggregate.h"

namespace headrace::data::join {
namespace {

using Held = std::map<std::string, int>;

std::vector<ModelRow> RandomRows(std::size_t count, std::mt19937_64* random) {
  std::vector<ModelRow> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t key = (*random)() % 5;
    rows.push_back({key == 4 ? std::nullopt : std::optional<std::int64_t>(static_cast<std::int64_t>(key)),
                    static_cast<std::int64_t>((*random)() % 9), static_cast<std::int64_t>(i)});
  }
  return rows;
}

/// Rows that come, some of which go again; `held`: those that stay.
std::vector<ModelRow> RandomUpdates(std::size_t count, std::vector<ModelRow>* held, std::mt19937_64* random) {
  std::vector<ModelRow> changes;
  for (ModelRow& row : RandomRows(count, random)) {
    if (held->empty() || (*random)() % 3 != 0) {
      held->push_back(row);
      changes.push_back(row);
      continue;
    }
    const auto gone = held->begin() + static_cast<std::ptrdiff_t>((*random)() % held->size());
    changes.push_back(*gone);
    changes.back().kind = columnar::RowKind::kDelete;
    held->erase(gone);
  }
  return changes;
}

void Feed(op::Operator* op, const std::vector<ModelRow>& rows, bool times, bool kinds, std::mt19937_64* random, FoldedRows* out) {
  ASSERT_TRUE(op->Open({}).ok());
  for (const auto& batch : Cut(rows, random)) {
    const Status taken = op->Process(0, BatchOf(batch, "v", times, kinds), out);
    ASSERT_TRUE(taken.ok()) << taken.ToString();
  }
}

/// Values of each key, greatest first.
std::map<std::string, std::vector<std::int64_t>> Sorted(const std::vector<ModelRow>& rows) {
  std::map<std::string, std::vector<std::int64_t>> sorted;
  for (const ModelRow& row : rows) sorted[KeyText(row.key)].push_back(row.value);
  for (auto& [key, values] : sorted) std::sort(values.begin(), values.end(), std::greater<>());
  return sorted;
}

Held TopModel(const std::vector<ModelRow>& rows, std::size_t limit, bool ties, bool rank) {
  Held held;
  for (const auto& [key, values] : Sorted(rows)) {
    std::size_t place = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const bool equal = ties && i > 0 && values[i] == values[i - 1];
      if (i >= limit && !equal) break;
      if (!equal) place = i + 1;
      ++held[rank ? fmt::format("{}|{}|{}", key, values[i], place) : fmt::format("{}|{}", key, values[i])];
    }
  }
  return held;
}

TEST(RunningTop, EqualsTheModelWhateverComesAndGoes) {
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    std::mt19937_64 random(seed);
    const bool updates = seed % 2 == 0, ties = seed % 4 < 2, rank = seed % 8 < 4;
    plan::TopSpec spec;
    spec.keys = {"k"};
    spec.order = {{"v", true}};
    spec.limit = 1 + random() % 4;
    spec.ties = ties;
    spec.rank_name = rank ? "place" : "";
    const auto input = ModelSchema("v");
    const auto output = rank ? input->AddField(2, arrow::field("place", arrow::int64(), false)).ValueOrDie() : input;
    std::vector<ModelRow> held;
    const auto rows = updates ? RandomUpdates(120, &held, &random) : RandomRows(120, &random);
    if (!updates) held = rows;
    auto top = RunningTop::Make(spec, input, output, updates, /*before=*/true).ValueOrDie();
    FoldedRows out;
    Feed(top.get(), rows, false, updates, &random, &out);
    EXPECT_EQ(out.rows(), TopModel(held, spec.limit, ties, rank)) << "seed " << seed;
  }
}

TEST(Deduplicate, KeepsTheRowThatItsRuleNames) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    const plan::DeduplicateSpec spec{{"k"}, /*last=*/seed % 2 == 0, /*by_event_time=*/seed % 4 < 2};
    auto rows = RandomRows(60, &random);
    for (ModelRow& row : rows) row.time_ms = static_cast<std::int64_t>(random() % 20);
    auto op = Deduplicate::Make(spec, ModelSchema("v"), /*before=*/true).ValueOrDie();
    FoldedRows out;
    Feed(op.get(), rows, true, false, &random, &out);
    std::map<std::string, ModelRow> kept;
    for (const ModelRow& row : rows) {
      const auto [known, fresh] = kept.try_emplace(KeyText(row.key), row);
      const bool replaces =
          spec.by_event_time ? (spec.last ? row.time_ms >= known->second.time_ms : row.time_ms < known->second.time_ms) : spec.last;
      if (!fresh && replaces) known->second = row;
    }
    Held expected;
    for (const auto& [key, row] : kept) ++expected[fmt::format("{}|{}", key, row.value)];
    EXPECT_EQ(out.rows(), expected) << "seed " << seed;
  }
}

TEST(UpdatingAggregate, EqualsTheModelWhateverComesAndGoes) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    plan::AggregateSpec spec;
    spec.keys = {"k"};
    spec.calls.resize(2);
    spec.calls[0].name = spec.calls[0].function = "count";
    spec.calls[1].name = spec.calls[1].function = "sum";
    spec.calls[1].arguments = {plan::Expression::Column("v")};
    std::vector<ModelRow> held;
    const auto rows = RandomUpdates(120, &held, &random);
    const auto output = arrow::schema(
        {arrow::field("k", arrow::utf8()), arrow::field("count", arrow::int64(), false), arrow::field("sum", arrow::int64())});
    auto op = UpdatingAggregate::Make(spec, ModelSchema("v"), output, /*updates=*/true, /*before=*/true).ValueOrDie();
    FoldedRows out;
    Feed(op.get(), rows, false, true, &random, &out);
    Held expected;
    for (const auto& [key, values] : Sorted(held)) {
      std::int64_t sum = 0;
      for (const std::int64_t value : values) sum += value;
      ++expected[fmt::format("{}|{}|{}", key, values.size(), sum)];
    }
    EXPECT_EQ(out.rows(), expected) << "seed " << seed;
  }
}

}  // namespace
}  // namespace headrace::data::join
