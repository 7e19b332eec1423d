#include "data/window/sliced_aggregate.h"

#include <arrow/array.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>
#include <set>
#include <tuple>

namespace headrace::data::window {
namespace {

constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max() - 1;

using Group = std::pair<std::int64_t, std::uint64_t>;                 // window end, key
using Values = std::tuple<std::int64_t, std::int64_t, std::int64_t>;  // rows, sum, and max or number of different values
using Given = std::map<Group, Values>;

Functions MakeFunctions(const std::string& third) {
  Functions functions;
  std::uint32_t words = 0;
  for (const std::string& name : {std::string("count"), std::string("sum"), third}) {
    functions.push_back(op::MakeAggregate({name, name == "count" ? nullptr : arrow::int64()}, words).ValueOrDie());
    words += functions.back()->state_words();
  }
  return functions;
}

Values Read(const Functions& functions, const std::uint64_t* group) {
  std::int64_t values[3];
  for (std::size_t f = 0; f < 3; ++f) {
    const auto column = functions[f]->Results(&group, 1).ValueOrDie();
    values[f] = static_cast<const arrow::Int64Array&>(*column).Value(0);
  }
  return {values[0], values[1], values[2]};
}

struct Row {
  std::uint64_t key;
  std::int64_t time, value;
};

/// Adds rows of one key column and one value column; gives the late ones.
std::vector<std::uint8_t> Add(SlicedAggregate* windows, const std::vector<Row>& rows) {
  std::vector<std::uint64_t> keys;
  std::vector<std::int64_t> times, values;
  for (const Row& row : rows) {
    keys.push_back(row.key);
    times.push_back(row.time);
    values.push_back(row.value);
  }
  const std::uint64_t* columns[] = {keys.data()};
  op::AggregateInput input;
  input.values = values.data();
  const op::AggregateInput inputs[] = {{}, input, input};
  std::vector<std::uint8_t> late(rows.size(), 0);
  const auto dropped = windows->Add(columns, times.data(), inputs, static_cast<std::int64_t>(rows.size()), late.data());
  EXPECT_TRUE(dropped.ok()) << dropped.status().ToString();
  EXPECT_EQ(*dropped, std::count(late.begin(), late.end(), 1));
  return late;
}

/// As Add(), each row as a group that was added up elsewhere.
std::vector<std::uint8_t> AddAsGroups(SlicedAggregate* windows, const WindowSpec& spec, const std::vector<Row>& rows) {
  std::vector<std::uint64_t> keys;
  std::vector<std::int64_t> times;
  const Functions& functions = windows->functions();
  std::vector<std::vector<std::uint64_t>> groups;
  std::vector<const std::uint64_t*> states;
  for (const Row& row : rows) {
    keys.push_back(row.key);
    times.push_back(spec.SliceStart(row.time));
    std::uint64_t* group = groups.emplace_back(WordsOf(functions)).data();
    states.push_back(group);
    op::AggregateInput input;
    input.values = &row.value;
    for (std::size_t f = 0; f < functions.size(); ++f)
      EXPECT_TRUE(functions[f]->Add(f == 0 ? op::AggregateInput() : input, &group, 1).ok());
  }
  const std::uint64_t* columns[] = {keys.data()};
  std::vector<std::uint8_t> late(rows.size(), 0);
  const auto dropped = windows->AddGroups(columns, times.data(), states, late.data());
  EXPECT_TRUE(dropped.ok()) << dropped.status().ToString();
  EXPECT_EQ(*dropped, std::count(late.begin(), late.end(), 1));
  return late;
}

/// The keys of all groups held, as a sweep of keys visits them.
std::set<std::uint64_t> KeysHeld(const SlicedAggregate& windows) {
  std::set<std::uint64_t> keys;
  std::int64_t slice_ms = std::numeric_limits<std::int64_t>::min(), row = 0;
  while (!windows.VisitKeys(&slice_ms, &row, 3, [&](const std::uint64_t* key) { keys.insert(*key); })) {
  }
  return keys;
}

void Collect(SlicedAggregate* windows, const SlicedAggregate::Fired& fired, bool check_rows, Given* out) {
  for (std::int64_t row = 0; row < fired.groups->num_rows(); ++row) {
    const std::uint64_t* values = fired.groups->RowValues(row);
    if (check_rows && !windows->HasRows(values)) continue;
    const bool fresh = out->insert_or_assign({fired.end_ms, *fired.groups->RowKey(row)}, Read(windows->functions(), values)).second;
    EXPECT_TRUE(fresh) << "a window came twice";
  }
}

Given FireAll(SlicedAggregate* windows, std::int64_t watermark) {
  Given given;
  for (;;) {
    const auto fired = windows->Fire(watermark);
    EXPECT_TRUE(fired.ok()) << fired.status().ToString();
    if (!fired.ok() || !*fired) return given;
    if ((*fired)->groups != nullptr) Collect(windows, **fired, true, &given);
  }
}

Given TakeLate(SlicedAggregate* windows) {
  Given given;
  for (;;) {
    const auto fired = windows->TakeLate();
    EXPECT_TRUE(fired.ok());
    if (!*fired) return given;
    Collect(windows, **fired, false, &given);
  }
}

/// What SlicedAggregate should do, row by row and window by window.
class Model {
 public:
  Model(WindowSpec spec, std::int64_t lateness, bool distinct) : spec_(spec), lateness_(lateness), distinct_(distinct) {}

  bool Add(const Row& row) {
    bool taken = false;
    for (std::int64_t end : EndsOf(row.time)) {
      if (end + lateness_ <= fired_to_) continue;
      taken = true;
      rows_[{end, row.key}].push_back(row.value);
      if (end <= fired_to_) changed_.insert({end, row.key});
    }
    return taken;
  }
  Given Late() {
    Given given;
    for (const Group& group : changed_) given[group] = Of(group);
    changed_.clear();
    return given;
  }
  Given Fire(std::int64_t watermark) {
    Given given;
    const std::int64_t to = std::min<std::int64_t>(watermark, 1 << 30) + 1;
    for (const auto& [group, values] : rows_)
      if (group.first > fired_to_ && group.first <= to) given[group] = Of(group);
    fired_to_ = std::max(fired_to_, to);
    return given;
  }

 private:
  std::vector<std::int64_t> EndsOf(std::int64_t time) const {
    std::vector<std::int64_t> ends;
    const auto floor = [](std::int64_t x, std::int64_t step) { return x - ((x % step) + step) % step; };
    if (spec_.cumulate) {
      const std::int64_t start = floor(time - spec_.offset_ms, spec_.size_ms) + spec_.offset_ms;
      for (std::int64_t end = start + spec_.slide_ms; end <= start + spec_.size_ms; end += spec_.slide_ms)
        if (end > time) ends.push_back(end);
      return ends;
    }
    for (std::int64_t start = floor(time - spec_.offset_ms, spec_.slide_ms) + spec_.offset_ms; start + spec_.size_ms > time;
         start -= spec_.slide_ms)
      ends.push_back(start + spec_.size_ms);
    return ends;
  }
  Values Of(const Group& group) const {
    const auto& values = rows_.at(group);
    std::int64_t sum = 0;
    for (std::int64_t value : values) sum += value;
    const std::int64_t third = distinct_ ? static_cast<std::int64_t>(std::set<std::int64_t>(values.begin(), values.end()).size())
                                         : *std::max_element(values.begin(), values.end());
    return {static_cast<std::int64_t>(values.size()), sum, third};
  }

  const WindowSpec spec_;
  const std::int64_t lateness_;
  const bool distinct_;
  std::int64_t fired_to_ = std::numeric_limits<std::int64_t>::min() / 4;
  std::map<Group, std::vector<std::int64_t>> rows_;
  std::set<Group> changed_;
};

struct Case {
  const char* name;
  WindowSpec spec;
  std::int64_t lateness;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class SlicedAggregateModel : public testing::TestWithParam<std::tuple<Case, std::string>> {};

/// Random rows, some of them late, in random batches; every window must come once, as the model has it, and again when it changes.
TEST_P(SlicedAggregateModel, GivesWhatTheModelGives) {
  const auto& [c, third] = GetParam();
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    SlicedAggregate windows(c.spec, 1, MakeFunctions(third),
                            {c.lateness, false, nullptr, static_cast<std::int64_t>(seed % 2 == 0 ? 2 : 1 << 15)});
    Model model(c.spec, c.lateness, third == "count_distinct");
    std::int64_t now = -50, watermark = std::numeric_limits<std::int64_t>::min();
    for (int step = 0; step < 120; ++step) {
      std::vector<Row> batch;
      const auto rows = random() % 20;
      for (std::uint64_t i = 0; i < rows; ++i) {
        now += static_cast<std::int64_t>(random() % 4);
        if (random() % 200 == 0) now += 300;  // nothing for long
        const std::int64_t back = random() % 3 == 0 ? static_cast<std::int64_t>(random() % 150) : static_cast<std::int64_t>(random() % 10);
        batch.push_back({random() % 7, now - back, static_cast<std::int64_t>(random() % 40) - 20});
      }
      const bool as_groups = third != "count_distinct" && seed % 3 != 0 && random() % 4 != 0;
      const std::vector<std::uint8_t> late = as_groups ? AddAsGroups(&windows, c.spec, batch) : Add(&windows, batch);
      for (std::size_t i = 0; i < batch.size(); ++i) ASSERT_TRUE(late[i] != 0 || KeysHeld(windows).contains(batch[i].key));
      for (std::size_t i = 0; i < batch.size(); ++i) ASSERT_EQ(late[i] == 0, model.Add(batch[i])) << "row at " << batch[i].time;
      ASSERT_EQ(TakeLate(&windows), model.Late());
      if (random() % 3 != 0) continue;
      watermark = std::max(watermark, now - static_cast<std::int64_t>(random() % 30));
      ASSERT_EQ(FireAll(&windows, watermark), model.Fire(watermark)) << "at watermark " << watermark;
    }
    ASSERT_EQ(FireAll(&windows, kEnd), model.Fire(kEnd));
    EXPECT_EQ(windows.num_slices(), 0u);
    EXPECT_EQ(windows.slices_bytes(), 0);
    EXPECT_EQ(windows.next_end_ms(), std::numeric_limits<std::int64_t>::max());
  }
}

/// What consumers of a shuffle between very many subtasks get: a few groups of each of many slices.
TEST(SlicedAggregate, GroupsOfManySlicesWaitForTheirWindowsAndNotInTables) {
  const WindowSpec spec{50, 10, 0, false};
  SlicedAggregate windows(spec, 1, MakeFunctions("max"));
  Model model(spec, 0, false);
  std::mt19937_64 random(5);
  std::vector<Row> batch;
  for (std::int64_t time = 0; time < 4000; time += 2) batch.push_back({random() % 9, time, static_cast<std::int64_t>(random() % 40)});
  for (const Row& row : batch) model.Add(row);
  AddAsGroups(&windows, spec, batch);
  EXPECT_EQ(windows.num_slices(), 0u);
  EXPECT_EQ(windows.next_end_ms(), 10);
  for (std::int64_t watermark = 99; watermark < 4100; watermark += 400) {
    ASSERT_EQ(FireAll(&windows, watermark), model.Fire(watermark));
    EXPECT_LE(windows.num_slices(), 6u);
  }
  EXPECT_EQ(windows.num_slices(), 0u);
}

TEST(SlicedAggregate, TheLogOfGroupsIsBounded) {
  const WindowSpec spec{50, 10, 0, false};
  SlicedAggregate windows(spec, 1, MakeFunctions("max"));
  Model model(spec, 0, false);
  for (std::int64_t turn = 0; turn < 300; ++turn) {
    std::vector<Row> batch;
    for (std::int64_t i = 0; i < 500; ++i) batch.push_back({static_cast<std::uint64_t>(i % 5), i % 400, turn});
    for (const Row& row : batch) model.Add(row);
    AddAsGroups(&windows, spec, batch);
  }
  EXPECT_EQ(windows.num_slices(), 40u);
  EXPECT_LT(windows.allocated_bytes(), 8 << 20);
  EXPECT_EQ(FireAll(&windows, kEnd), model.Fire(kEnd));
}

INSTANTIATE_TEST_SUITE_P(, SlicedAggregateModel,
                         testing::Combine(testing::Values(Case{"tumbling", {10, 10, 0}, 0}, Case{"tumbling_offset", {10, 10, -3}, 0},
                                                          Case{"tumbling_late", {10, 10, 0}, 25}, Case{"sliding", {12, 3, 0}, 0},
                                                          Case{"sliding_uneven", {10, 4, 1}, 0}, Case{"sliding_late", {12, 3, 0}, 40},
                                                          Case{"many_slices", {60, 2, 0}, 0}, Case{"many_slices_late", {60, 2, 5}, 50},
                                                          Case{"cumulating", {30, 5, 0}, 0}, Case{"cumulating_late", {30, 5, 2}, 33}),
                                          testing::Values("max", "count_distinct")));

TEST(SlicedAggregate, RowsBehindAWindowThatNeverCameAreLate) {
  SlicedAggregate windows({10, 10, 0}, 1, MakeFunctions("max"));
  EXPECT_TRUE(FireAll(&windows, 99).empty());
  EXPECT_EQ(Add(&windows, {{1, 95, 7}, {1, 100, 7}}), (std::vector<std::uint8_t>{1, 0}));
  EXPECT_EQ(FireAll(&windows, kEnd), (Given{{{110, 1}, {1, 7, 7}}}));
}

TEST(SlicedAggregate, LateRowsDoNotOverflowTheSumsOfOthers) {
  SlicedAggregate windows({10, 10, 0}, 1, MakeFunctions("max"));
  (void)FireAll(&windows, 99);
  const std::int64_t greatest = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(Add(&windows, {{1, 5, greatest}, {1, 5, greatest}, {1, 105, 1}}), (std::vector<std::uint8_t>{1, 1, 0}));
}

TEST(SlicedAggregate, EarlyChangesComeOnceAndOnlyForOpenWindows) {
  SlicedAggregate windows({10, 10, 0}, 1, MakeFunctions("max"), {0, true});
  (void)Add(&windows, {{1, 5, 3}, {2, 6, 4}, {1, 15, 9}});
  Given early;
  while (auto fired = windows.TakeEarly().ValueOrDie()) Collect(&windows, *fired, false, &early);
  EXPECT_EQ(early, (Given{{{10, 1}, {1, 3, 3}}, {{10, 2}, {1, 4, 4}}, {{20, 1}, {1, 9, 9}}}));
  EXPECT_FALSE(windows.TakeEarly().ValueOrDie());
  (void)Add(&windows, {{1, 6, 5}, {1, 16, 1}});
  (void)FireAll(&windows, 9);
  early.clear();
  while (auto fired = windows.TakeEarly().ValueOrDie()) Collect(&windows, *fired, false, &early);
  EXPECT_EQ(early, (Given{{{20, 1}, {2, 10, 9}}}));
}

TEST(SlicedAggregate, TimesBeyondAllCalendarsAreRefused) {
  SlicedAggregate windows({10, 10, 0}, 1, MakeFunctions("max"));
  const std::uint64_t key = 1;
  const std::uint64_t* keys[] = {&key};
  const std::int64_t time = std::numeric_limits<std::int64_t>::max(), value = 0;
  op::AggregateInput input;
  input.values = &value;
  const op::AggregateInput inputs[] = {{}, input, input};
  EXPECT_FALSE(windows.Add(keys, &time, inputs, 1, nullptr).ok());
}

/// What stands beside the groups goes with them.
/// collect(), and how many values its merges have gone through.
class CountedCollect final : public op::AggregateFunction {
 public:
  explicit CountedCollect(std::int64_t* moved) : collect_(op::MakeAggregate({"collect", arrow::int64()}, 0).ValueOrDie()), moved_(moved) {}
  std::uint32_t state_words() const override { return collect_->state_words(); }
  std::shared_ptr<arrow::DataType> result_type() const override { return collect_->result_type(); }
  Status Add(const op::AggregateInput& input, std::uint64_t* const* groups, std::int64_t rows) const override {
    return collect_->Add(input, groups, rows);
  }
  Status Merge(std::uint64_t* const* into, const std::uint64_t* const* from, std::int64_t groups) const override {
    HR_ASSIGN_OR_RAISE(const auto lists, collect_->Results(from, groups));
    *moved_ += static_cast<const arrow::ListArray&>(*lists).values()->length();
    return collect_->Merge(into, from, groups);
  }
  Result<std::shared_ptr<arrow::Array>> Results(const std::uint64_t* const* groups, std::int64_t count) const override {
    return collect_->Results(groups, count);
  }
  bool grows_when_merged() const override { return collect_->grows_when_merged(); }
  void Release(std::uint64_t* const* groups, std::int64_t count) const override { collect_->Release(groups, count); }
  bool owns_memory() const override { return true; }
  std::int64_t allocated_bytes() const override { return collect_->allocated_bytes(); }

 private:
  const std::unique_ptr<op::AggregateFunction> collect_;
  std::int64_t* const moved_;
};

TEST(SlicedAggregate, AListOfManySlicesIsPutTogetherOnceAWindow) {
  constexpr std::int64_t kSlices = 240;
  std::int64_t moved = 0, given = 0;
  Functions functions;
  functions.push_back(std::make_unique<CountedCollect>(&moved));
  SlicedAggregate windows({kSlices, 1, 0, false}, 1, std::move(functions));
  for (std::int64_t time = 0; time < 3 * kSlices; ++time) {
    const std::uint64_t key = 7;
    const std::uint64_t* columns[] = {&key};
    op::AggregateInput input;
    input.values = &time;
    ASSERT_TRUE(windows.Add(columns, &time, {&input, 1}, 1, nullptr).ok());
    for (;;) {
      const auto fired = windows.Fire(time);
      ASSERT_TRUE(fired.ok());
      if (!*fired) break;
      if ((*fired)->groups == nullptr || (*fired)->groups->num_rows() == 0) continue;
      const std::uint64_t* group = (*fired)->groups->RowValues(0);
      const auto lists = windows.functions()[0]->Results(&group, 1).ValueOrDie();
      given += static_cast<const arrow::ListArray&>(*lists).values()->length();
    }
  }
  EXPECT_GT(given, 2 * kSlices * kSlices);
  EXPECT_LE(moved, given);
  EXPECT_LT(windows.functions()[0]->allocated_bytes(), 100 * kSlices);
}

TEST(SlicedAggregate, SetsOfDroppedSlicesAreGivenBack) {
  SlicedAggregate windows({60, 2, 0}, 1, MakeFunctions("count_distinct"));
  std::int64_t most = 0, last = 0;
  for (std::int64_t t = 0; t < 20'000; t += 2) {
    std::vector<Row> rows;
    for (std::uint64_t key = 0; key < 20; ++key) rows.push_back({key, t, t % 1000});
    (void)Add(&windows, rows);
    (void)FireAll(&windows, t);
    if (t == 2000) most = windows.allocated_bytes();
    last = windows.allocated_bytes();
  }
  EXPECT_LT(last, most * 2);
}

}  // namespace
}  // namespace headrace::data::window
