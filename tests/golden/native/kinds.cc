// Native functions that the golden cases run: every kind of state, and what goes wrong.
#include <cstdint>
#include <string>

#include "headrace/native.h"

namespace {

struct Mean {
  struct Sum {
    double sum = 0;
    std::int64_t count = 0;
  };
  Sum create() const { return {}; }
  void add(Sum* sum, std::int64_t value) const {
    sum->sum += static_cast<double>(value);
    ++sum->count;
  }
  double result(const Sum& sum) const { return sum.count == 0 ? 0 : sum.sum / static_cast<double>(sum.count); }
};

struct Most {
  std::int64_t operator()(std::int64_t a, std::int64_t b) const { return a > b ? a : b; }
};

/// Gives a row for each that comes, of all that its key has so far.
class Kinds final : public headrace::Function {
  void Process(const headrace::Rows& rows) override {
    for (std::int64_t i = 0; i < rows.size(); ++i) {
      const headrace::Key key = rows.key(i);
      if (n_.is_null(i)) {
        last_.Clear(key);
        all_.Clear(key);
        counts_.Clear(key);
        most_.Clear(key);
        mean_.Clear(key);
        continue;
      }
      if (last_.Get(key))
        before_.Add(*last_.Get(key));
      else
        before_.AddNull();
      last_.Put(key, n_[i]);
      all_.Add(key, std::string(1, static_cast<char>('a' + n_[i] % 26)));
      counts_.Put(key, n_[i], counts_.Get(key, n_[i]).value_or(0) + 1);
      if (n_[i] == 7) counts_.Remove(key, 7);
      most_.Add(key, n_[i]);
      mean_.Add(key, n_[i]);
      key_.Add(std::string(k_[i]));
      std::string list;
      for (const std::string& one : all_.Get(key)) list += one;
      list_.Add(list);
      std::int64_t entries = 0;
      counts_.ForEach(key, [&](std::int64_t, std::int64_t count) { entries += count; });
      entries_.Add(entries);
      top_.Add(*most_.Get(key));
      average_.Add(mean_.Get(key));
      even_.Add(n_[i] % 2 == 0);
      EndRow(rows.time(i));
    }
  }
  headrace::In<std::string_view> k_{this, "k"};
  headrace::In<std::int64_t> n_{this, "n"};
  headrace::ValueState<std::int64_t> last_{this, "last", {86'400'000, true}};
  headrace::ListState<std::string> all_{this, "all", {86'400'000}};
  headrace::MapState<std::int64_t, std::int64_t> counts_{this, "counts"};
  headrace::ReducingState<std::int64_t, Most> most_{this, "most"};
  headrace::AggregatingState<Mean> mean_{this, "mean"};
  headrace::Out<std::string> key_{this, "k"};
  headrace::Out<std::int64_t> before_{this, "before"};
  headrace::Out<std::string> list_{this, "list"};
  headrace::Out<std::int64_t> entries_{this, "entries"}, top_{this, "top"};
  headrace::Out<double> average_{this, "average"};
  headrace::Out<bool> even_{this, "even"};
};

class Throws final : public headrace::Function {
  void Process(const headrace::Rows& rows) override {
    for (std::int64_t i = 0; i < rows.size(); ++i)
      if (n_[i] < 0) throw std::out_of_range("n is " + std::to_string(n_[i]));
  }
  headrace::In<std::int64_t> n_{this, "n"};
  headrace::Out<std::int64_t> n_out_{this, "n"};
};

/// Counts by a timer of the clock, which it moves on with each row of a key and which so fires once.
class Clocked final : public headrace::Function {
  void Process(const headrace::Rows& rows) override {
    for (std::int64_t i = 0; i < rows.size(); ++i) {
      rows_.Add(rows.key(i), 1);
      SetProcessingTimer(rows.key(i), 5);
      SetProcessingTimer(rows.key(i), 6);
    }
  }
  void OnTimers(const headrace::Rows& timers) override {
    for (std::int64_t i = 0; i < timers.size(); ++i) {
      DeleteProcessingTimer(timers.key(i), 6);
      k_out_.Add(k_[i]);
      EndRow(timers.time(i));
    }
  }
  headrace::In<std::int64_t> k_{this, "k"};
  headrace::ReducingState<std::int64_t> rows_{this, "rows"};
  headrace::Out<std::int64_t> k_out_{this, "k"};
};

}  // namespace

HEADRACE_FUNCTION(kinds, Kinds)
HEADRACE_FUNCTION(throws, Throws)
HEADRACE_FUNCTION(clocked, Clocked)
HEADRACE_LIBRARY()
