/// Visits of users: a visit ends when a user does nothing for so long, by a timer of event time.
/// Build: c++ -std=c++17 -O2 -shared -fPIC -I"$(python -m headrace.native_functions)" sessions.cc -o libsessions.so
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "headrace/native.h"

namespace {

struct Visit {
  std::int64_t first_ms, last_ms, clicks;
};

class Visits final : public headrace::Function {
 public:
  void Open(std::string_view options) override {
    const auto at = options.find("\"gap_ms\":");
    if (at != std::string_view::npos) gap_ms_ = std::stoll(std::string(options.substr(at + 9)));
    if (gap_ms_ <= 0) throw std::invalid_argument("gap_ms is " + std::to_string(gap_ms_) + "; it must be above 0");
  }

  void Process(const headrace::Rows& rows) override {
    for (std::int64_t i = 0; i < rows.size(); ++i) {
      const headrace::Key key = rows.key(i);
      const std::int64_t time = rows.time(i);
      std::optional<Visit> visit = visit_.Get(key);
      if (visit) DeleteEventTimer(key, visit->last_ms + gap_ms_);
      if (visit && time >= visit->last_ms + gap_ms_) {  // the watermark is behind the rows: its timer would come too late
        End(key, user_[i], *visit);
        visit.reset();
      }
      if (!visit) visit = Visit{time, time, 0};
      *visit = {std::min(visit->first_ms, time), std::max(visit->last_ms, time), visit->clicks + 1};
      visit_.Put(key, *visit);
      pages_.Put(key, std::string(page_[i]), pages_.Get(key, std::string(page_[i])).value_or(0) + 1);
      SetEventTimer(key, visit->last_ms + gap_ms_);
    }
  }

  void OnTimers(const headrace::Rows& timers) override {
    for (std::int64_t i = 0; i < timers.size(); ++i) {
      if (const auto visit = visit_.Get(timers.key(i))) End(timers.key(i), user_[i], *visit);
    }
  }

 private:
  void End(headrace::Key key, std::int64_t user, const Visit& visit) {
    std::string most;
    std::int64_t clicks = 0;
    pages_.ForEach(key, [&](const std::string& page, std::int64_t count) {
      if (count > clicks) most = page, clicks = count;
    });
    user_out_.Add(user);
    clicks_out_.Add(visit.clicks);
    length_out_.Add(visit.last_ms - visit.first_ms);
    most_out_.Add(most);
    EndRow(visit.last_ms + gap_ms_);
    visit_.Clear(key);
    pages_.Clear(key);
  }

  std::int64_t gap_ms_ = 1000;
  headrace::In<std::int64_t> user_{this, "user"};
  headrace::In<std::string_view> page_{this, "page"};
  headrace::ValueState<Visit> visit_{this, "visit"};
  headrace::MapState<std::string, std::int64_t> pages_{this, "pages"};
  headrace::Out<std::int64_t> user_out_{this, "user"};
  headrace::Out<std::int64_t> clicks_out_{this, "clicks"};
  headrace::Out<std::int64_t> length_out_{this, "length_ms"};
  headrace::Out<std::string> most_out_{this, "most_seen"};
};

}  // namespace

HEADRACE_FUNCTION(visits, Visits)
HEADRACE_LIBRARY()
