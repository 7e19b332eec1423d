#include "data/window/session_table.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "data/window/window_spec.h"

namespace headrace::data::window {
namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFF;
/// Heads of lists: 0 = a key that is new, kEmptied = one whose sessions have all ended, else session + 1.
constexpr std::uint64_t kEmptied = ~std::uint64_t{0};
constexpr std::int64_t kFewKeys = 1024;

std::uint32_t First(std::uint64_t head) { return head == 0 || head == kEmptied ? kNone : static_cast<std::uint32_t>(head - 1); }

}  // namespace

SessionTable::SessionTable(std::int64_t gap_ms, std::uint32_t key_words, Functions functions, Settings settings)
    : gap_ms_(gap_ms),
      settings_(settings),
      key_words_(key_words),
      functions_(std::move(functions)),
      state_words_(WordsOf(functions_)),
      trigger_words_(settings.trigger == nullptr ? 0 : settings.trigger->words()),
      keys_(key_words, 1),
      free_(kNone),
      watermark_ms_(std::numeric_limits<std::int64_t>::min()),
      trash_(state_words_ + 1) {}

Result<std::uint32_t> SessionTable::Make(std::span<const std::uint64_t* const> keys, std::int64_t row, std::int64_t time_ms) {
  std::uint32_t made = free_;
  if (made != kNone) {
    free_ = sessions_[made].next;
  } else {
    if (sessions_.size() >= kNone - 1) return Status::CapacityError("a subtask holds at most 2^32 - 2 open sessions");
    made = static_cast<std::uint32_t>(sessions_.size());
    sessions_.push_back({});
    words_.resize(words_.size() + key_words_ + state_words_ + trigger_words_);
  }
  Session& session = sessions_[made];
  session = {time_ms, time_ms, kNone, kNone, session.generation, false, false, 0};
  std::uint64_t* words = KeyOf(made);
  for (std::uint32_t w = 0; w < key_words_; ++w) words[w] = keys[w][row];
  std::fill_n(words + key_words_, state_words_ + trigger_words_, 0);
  due_.push({time_ms + gap_ms_, made, session.generation});
  ++num_open_;
  return made;
}

void SessionTable::FreePlace(std::uint32_t session) {
  std::uint64_t* values = ValuesOf(session);
  ReleaseAll(functions_, &values, 1);
  ++sessions_[session].generation;
  sessions_[session].next = std::exchange(free_, session);
}

Result<std::uint32_t> SessionTable::Place(std::uint64_t* head, std::span<const std::uint64_t* const> keys, std::int64_t row,
                                          std::int64_t time_ms) {
  std::uint32_t before = kNone, taker = kNone;
  std::uint32_t at = First(*head);
  // From the newest: those that begin behind the row's reach, then at most two that it touches.
  for (; at != kNone && time_ms <= sessions_[at].last_ms + gap_ms_; at = sessions_[at].next) {
    Session& session = sessions_[at];
    if (time_ms < session.start_ms - gap_ms_) {
      before = at;
      continue;
    }
    if (taker == kNone) {
      taker = at;
      session.start_ms = std::min(session.start_ms, time_ms);
      session.last_ms = std::max(session.last_ms, time_ms);
      continue;
    }
    Session& newer = sessions_[taker];
    newer.start_ms = std::min(newer.start_ms, session.start_ms);
    newer.last_ms = std::max(newer.last_ms, session.last_ms);
    newer.next = session.next;
    newer.new_rows += session.new_rows;
    session.merged_into = taker;
    merged_.push_back(at);
    break;
  }
  if (taker != kNone) return taker;
  if (IsOver(time_ms + gap_ms_)) return kNone;
  HR_ASSIGN_OR_RAISE(const std::uint32_t made, Make(keys, row, time_ms));
  sessions_[made].next = at;
  if (before != kNone) {
    sessions_[before].next = made;
  } else {
    if (*head == kEmptied) --empty_keys_;
    *head = std::uint64_t{made} + 1;
  }
  return made;
}

std::uint32_t SessionTable::RootOf(std::uint32_t session) const {
  while (sessions_[session].merged_into != kNone) session = sessions_[session].merged_into;
  return session;
}

/// Sessions that a row of the batch has joined: their states as they were before the batch come together.
Status SessionTable::MergeMarked() {
  for (const std::uint32_t session : merged_) {
    std::uint64_t* into = ValuesOf(RootOf(session));
    const std::uint64_t* from = ValuesOf(session);
    HR_RETURN_NOT_OK(MergeAll(functions_, &into, &from, 1));
    if (trigger_words_ > 0) settings_.trigger->Merge(TriggerOf(RootOf(session)), TriggerOf(session));
  }
  return Status::OK();
}

Result<std::int64_t> SessionTable::Add(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                       std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late) {
  HR_RETURN_NOT_OK(DropEmptyKeys());
  const auto count = static_cast<std::size_t>(rows);
  groups_.resize(count);
  session_of_row_.resize(count);
  merged_.clear();
  if (late == nullptr) {
    late_rows_.assign(count, 0);
    late = late_rows_.data();
  }
  HR_RETURN_NOT_OK(keys_.Resolve(keys, rows, groups_.data()));
  std::int64_t dropped = 0;
  for (std::size_t i = 0; i < count; ++i) {
    HR_RETURN_NOT_OK(WindowSpec::CheckTimes(times[i], times[i]));
    HR_ASSIGN_OR_RAISE(session_of_row_[i], Place(groups_[i], keys, static_cast<std::int64_t>(i), times[i]));
    if (session_of_row_[i] != kNone) continue;
    if (*groups_[i] == 0) {
      *groups_[i] = kEmptied;
      ++empty_keys_;
    }
    ++dropped;
    late[i] = 1;
  }
  HR_RETURN_NOT_OK(MergeMarked());
  const bool notes = settings_.early || settings_.lateness_ms > 0 || trigger_words_ > 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (session_of_row_[i] == kNone) {
      groups_[i] = trash_.data();
      continue;
    }
    const std::uint32_t session = merged_.empty() ? session_of_row_[i] : RootOf(session_of_row_[i]);
    groups_[i] = ValuesOf(session);
    if (notes) NoteChange(session);
  }
  if (dropped > 0) inputs = left_out_.Without(inputs, late, rows);
  for (std::size_t f = 0; f < functions_.size(); ++f) HR_RETURN_NOT_OK(functions_[f]->Add(inputs[f], groups_.data(), rows));
  if (dropped > 0) std::fill(trash_.begin(), trash_.end(), 0);
  for (const std::uint32_t session : merged_) {
    FreePlace(session);
    --num_open_;
  }
  return dropped;
}

/// A session that was given and has grown beyond the watermark will be given again by its end; one that is complete comes again now.
void SessionTable::NoteChange(std::uint32_t number) {
  Session& session = sessions_[number];
  ++session.new_rows;
  const std::int64_t end_ms = session.last_ms + gap_ms_;
  const bool complete = end_ms - 1 <= watermark_ms_;
  if (session.given && !complete) {
    session.given = false;
    due_.push({end_ms, number, session.generation});
  }
  // A late row's own session is complete at once.
  if (complete) session.given = true;
  if (!complete && trigger_words_ > 0 && settings_.trigger->Counts(TriggerOf(number))) due_by_trigger_.push_back(number);
  if (!complete && !settings_.early) return;
  if (session.noted && !complete) return;
  session.noted = true;
  (complete ? late_changes_ : early_changes_).push_back({number, session.generation});
}

void SessionTable::TakeLate(std::vector<Fired>* fired) {
  for (const Noted& noted : late_changes_) {
    if (!IsNoted(noted)) continue;
    sessions_[noted.session].noted = false;
    sessions_[noted.session].new_rows = 0;
    fired->push_back(At(noted.session));
  }
  late_changes_.clear();
}

void SessionTable::TakeEarly(std::vector<Fired>* fired) {
  for (const Noted& noted : early_changes_) {
    if (!IsNoted(noted)) continue;
    Session& session = sessions_[noted.session];
    session.noted = false;
    if (session.new_rows == 0) continue;  // the trigger has given it
    session.new_rows = 0;
    fired->push_back(At(noted.session));
  }
  early_changes_.clear();
}

void SessionTable::TakeDue(std::vector<Fired>* fired) {
  for (const std::uint32_t session : due_by_trigger_) {
    sessions_[session].new_rows = 0;
    fired->push_back(At(session));
  }
  if (settings_.trigger->purges()) purged_.swap(due_by_trigger_);
  due_by_trigger_.clear();
}

void SessionTable::Purge() {
  for (const std::uint32_t session : purged_) {
    std::uint64_t* values = ValuesOf(session);
    ReleaseAll(functions_, &values, 1);
    std::fill_n(values, state_words_, 0);
  }
  purged_.clear();
}

bool SessionTable::Fire(std::int64_t watermark_ms, std::int64_t most, std::vector<Fired>* fired) {
  watermark_ms_ = std::max(watermark_ms_, std::min(watermark_ms, 2 * WindowSpec::kLatestMs));
  while (!due_.empty() && due_.top().end_ms - 1 <= watermark_ms_) {
    if (most == 0) return true;
    const Due due = due_.top();
    due_.pop();
    Session& session = sessions_[due.session];
    if (session.generation != due.generation) continue;
    const std::int64_t end_ms = session.last_ms + gap_ms_;
    const std::int64_t next_ms = session.given ? end_ms + settings_.lateness_ms : end_ms;
    if (next_ms > due.end_ms) {  // it has grown since
      due_.push({next_ms, due.session, due.generation});
      continue;
    }
    if (!session.given) {
      session.noted = false;
      session.given = true;
      const bool purged = trigger_words_ > 0 && settings_.trigger->purges() && session.new_rows == 0;
      session.new_rows = 0;
      if (!purged) {
        fired->push_back(At(due.session));
        --most;
      }
    }
    if (!IsOver(end_ms)) {
      due_.push({end_ms + settings_.lateness_ms, due.session, due.generation});
      continue;
    }
    Unlink(due.session);
    ++session.generation;  // it may stand in the heap twice
    fired_.push_back(due.session);
    --num_open_;
  }
  return false;
}

void SessionTable::Release() {
  for (const std::uint32_t session : fired_) FreePlace(session);
  fired_.clear();
}

void SessionTable::Unlink(std::uint32_t session) {
  std::uint64_t* head = keys_.Find(KeyOf(session));
  HR_CHECK(head != nullptr, "a session without a key");
  std::uint32_t at = First(*head);
  if (at == session) {
    const std::uint32_t next = sessions_[session].next;
    *head = next == kNone ? kEmptied : std::uint64_t{next} + 1;
    empty_keys_ += next == kNone ? 1 : 0;
    return;
  }
  while (sessions_[at].next != session) at = sessions_[at].next;
  sessions_[at].next = sessions_[session].next;
}

Status SessionTable::DropEmptyKeys() {
  if (empty_keys_ < kFewKeys || empty_keys_ * 2 < keys_.num_rows()) return Status::OK();
  state::GroupTable kept(key_words_, 1);
  std::array<const std::uint64_t*, state::GroupTable::kMaxKeyWords> key{};
  for (std::int64_t row = 0; row < keys_.num_rows(); ++row) {
    const std::uint64_t head = *keys_.RowValues(row);
    if (head == kEmptied || head == 0) continue;
    for (std::uint32_t w = 0; w < key_words_; ++w) key[w] = keys_.RowKey(row) + w;
    std::uint64_t* to = nullptr;
    HR_RETURN_NOT_OK(kept.Resolve({key.data(), key_words_}, 1, &to));
    *to = head;
  }
  keys_ = std::move(kept);
  ++table_;
  empty_keys_ = 0;
  return Status::OK();
}

std::int64_t SessionTable::allocated_bytes() const {
  return keys_.allocated_bytes() + BytesOf(functions_) +
         static_cast<std::int64_t>(sessions_.capacity() * sizeof(Session) + words_.capacity() * 8 + due_.size() * sizeof(Due));
}

}  // namespace headrace::data::window
