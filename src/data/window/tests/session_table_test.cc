#include "data/window/session_table.h"

#include <arrow/array.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <set>
#include <tuple>

namespace headrace::data::window {
namespace {

constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max() - 1;
using Session =
    std::tuple<std::uint64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;  // key, start, end, rows, different values
using Given = std::multiset<Session>;

Functions MakeFunctions() {
  Functions functions;
  functions.push_back(op::MakeAggregate({"count", nullptr}, 0).ValueOrDie());
  functions.push_back(op::MakeAggregate({"count_distinct", arrow::int64()}, 1).ValueOrDie());
  return functions;
}

std::vector<std::uint8_t> Add(SessionTable* sessions, const std::vector<std::uint64_t>& keys, const std::vector<std::int64_t>& times) {
  const std::uint64_t* columns[] = {keys.data()};
  op::AggregateInput input;
  input.values = times.data();
  const op::AggregateInput inputs[] = {{}, input};
  std::vector<std::uint8_t> late(keys.size(), 0);
  const auto dropped = sessions->Add(columns, times.data(), inputs, static_cast<std::int64_t>(keys.size()), late.data());
  EXPECT_TRUE(dropped.ok()) << dropped.status().ToString();
  EXPECT_EQ(*dropped, std::count(late.begin(), late.end(), 1));
  return late;
}

Given Read(const SessionTable& sessions, const std::vector<SessionTable::Fired>& fired) {
  Given given;
  for (const auto& session : fired) {
    std::int64_t values[2];
    for (std::size_t f = 0; f < 2; ++f)
      values[f] = static_cast<const arrow::Int64Array&>(*sessions.functions()[f]->Results(&session.values, 1).ValueOrDie()).Value(0);
    given.insert({*session.key, session.start_ms, session.end_ms, values[0], values[1]});
  }
  return given;
}

Given FireAll(SessionTable* sessions, std::int64_t watermark) {
  Given given;
  for (bool more = true; more;) {
    std::vector<SessionTable::Fired> fired;
    more = sessions->Fire(watermark, 2, &fired);
    given.merge(Read(*sessions, fired));
    sessions->Release();
  }
  return given;
}

/// Sessions as sets of rows.
class Model {
 public:
  Model(std::int64_t gap, std::int64_t lateness) : gap_(gap), lateness_(lateness) {}
  bool Add(std::uint64_t key, std::int64_t time) {
    Open mine{key, {time}, false, false};
    bool touched = false;
    for (auto at = open_.begin(); at != open_.end();) {
      const bool touches =
          at->key == key && *at->times.begin() - gap_ <= *mine.times.rbegin() && *mine.times.begin() <= *at->times.rbegin() + gap_;
      if (!touches) {
        ++at;
        continue;
      }
      touched = true;
      mine.times.insert(at->times.begin(), at->times.end());
      mine.given = mine.given || at->given;
      at = open_.erase(at);
    }
    if (!touched && time + gap_ + lateness_ - 1 <= watermark_) return false;
    const bool complete = *mine.times.rbegin() + gap_ - 1 <= watermark_;
    mine.given = complete;
    mine.changed = complete;
    open_.push_back(mine);
    return true;
  }
  Given Late() {
    Given given;
    for (Open& session : open_)
      if (std::exchange(session.changed, false)) given.insert(Of(session));
    return given;
  }
  Given Fire(std::int64_t watermark) {
    watermark_ = std::max(watermark_, watermark);
    Given given;
    for (auto at = open_.begin(); at != open_.end();) {
      const std::int64_t end = *at->times.rbegin() + gap_;
      if (end - 1 <= watermark_ && !std::exchange(at->given, true)) given.insert(Of(*at));
      at = end + lateness_ - 1 <= watermark_ ? open_.erase(at) : std::next(at);
    }
    return given;
  }

 private:
  struct Open {
    std::uint64_t key;
    std::multiset<std::int64_t> times;
    bool given, changed;
  };
  Session Of(const Open& session) const {
    return {session.key, *session.times.begin(), *session.times.rbegin() + gap_, static_cast<std::int64_t>(session.times.size()),
            static_cast<std::int64_t>(std::set<std::int64_t>(session.times.begin(), session.times.end()).size())};
  }
  const std::int64_t gap_, lateness_;
  std::int64_t watermark_ = std::numeric_limits<std::int64_t>::min() / 4;
  std::vector<Open> open_;
};

class SessionTableModel : public testing::TestWithParam<std::int64_t> {};

TEST_P(SessionTableModel, GivesWhatTheModelGives) {
  const std::int64_t lateness = GetParam();
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    SessionTable sessions(10, 1, MakeFunctions(), {lateness, false});
    Model model(10, lateness);
    std::int64_t now = 0, watermark = -100;
    for (int step = 0; step < 200; ++step) {
      std::vector<std::uint64_t> keys;
      std::vector<std::int64_t> times;
      for (std::uint64_t i = random() % 8; i-- > 0;) {
        now += static_cast<std::int64_t>(random() % 9);
        keys.push_back(random() % 4);
        times.push_back(now - static_cast<std::int64_t>(random() % 4 == 0 ? random() % 120 : random() % 6));
      }
      const auto late = Add(&sessions, keys, times);
      for (std::size_t i = 0; i < keys.size(); ++i) ASSERT_EQ(late[i] == 0, model.Add(keys[i], times[i])) << "row at " << times[i];
      std::vector<SessionTable::Fired> fired;
      sessions.TakeLate(&fired);
      ASSERT_EQ(Read(sessions, fired), model.Late());
      if (random() % 3 != 0) continue;
      watermark = std::max(watermark, now - static_cast<std::int64_t>(random() % 25));
      ASSERT_EQ(FireAll(&sessions, watermark), model.Fire(watermark)) << "at watermark " << watermark;
    }
    ASSERT_EQ(FireAll(&sessions, kEnd), model.Fire(kEnd));
    EXPECT_EQ(sessions.num_open(), 0);
  }
}
INSTANTIATE_TEST_SUITE_P(, SessionTableModel, testing::Values(0, 15, 60));

TEST(SessionTable, ARowBetweenTwoSessionsMakesThemOne) {
  SessionTable sessions(10, 1, MakeFunctions());
  (void)Add(&sessions, {1, 1}, {0, 20});
  EXPECT_EQ(sessions.num_open(), 2);
  (void)Add(&sessions, {1}, {10});
  EXPECT_EQ(sessions.num_open(), 1);
  EXPECT_EQ(FireAll(&sessions, kEnd), (Given{{1, 0, 30, 3, 3}}));
}

TEST(SessionTable, EarlyChangesComeWithTheBoundsTheyHave) {
  SessionTable sessions(10, 1, MakeFunctions(), {0, true});
  (void)Add(&sessions, {1, 2}, {0, 3});
  std::vector<SessionTable::Fired> fired;
  sessions.TakeEarly(&fired);
  EXPECT_EQ(Read(sessions, fired), (Given{{1, 0, 10, 1, 1}, {2, 3, 13, 1, 1}}));
  fired.clear();
  (void)Add(&sessions, {1}, {8});
  sessions.TakeEarly(&fired);
  EXPECT_EQ(Read(sessions, fired), (Given{{1, 0, 18, 2, 2}}));
}

TEST(SessionTable, EndedSessionsGiveTheirMemoryBack) {
  SessionTable sessions(5, 1, MakeFunctions());
  std::int64_t early = 0;
  for (std::int64_t step = 0; step < 3000; ++step) {
    std::vector<std::uint64_t> keys;
    std::vector<std::int64_t> times;
    for (std::uint64_t i = 0; i < 30; ++i) {
      keys.push_back(static_cast<std::uint64_t>(step) * 30 + i);
      times.push_back(step * 10);
    }
    (void)Add(&sessions, keys, times);
    (void)FireAll(&sessions, step * 10 - 1);
    if (step == 300) early = sessions.allocated_bytes();
  }
  EXPECT_LT(sessions.allocated_bytes(), early * 3);
}

}  // namespace
}  // namespace headrace::data::window
