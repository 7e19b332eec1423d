#include "data/python/trip_states.h"

#include <arrow/array.h>

#include <algorithm>
#include <utility>

namespace headrace::data::python {

namespace {

using Kind = plan::StateDeclaration::Kind;

bool OfElements(const plan::StateDeclaration& state) { return state.kind == Kind::kList || state.kind == Kind::kMap; }

/// States of one value travel as that value, so that the worker's extension decodes and encodes a whole column of them; lists, maps and
/// what has stamps in front travel as bytes that the worker opens when the function asks.
columnar::ValueForm FormOf(const plan::StateDeclaration& state) {
  return !OfElements(state) && state.ttl_ms == 0 ? columnar::ValueForm::kEncoded : columnar::ValueForm::kRawBytes;
}

/// Values that travel in a tuple of one each, which keeps them value-encoded, whatever they are.
class WrappedValues {
 public:
  explicit WrappedValues(const TableColumn& column) : column_(column) {}
  bool wellformed() const {
    return column_.rows() == 0 || (column_.form == columnar::ValueForm::kEncoded && column_.values->null_count() == 0);
  }
  Result<std::string_view> Next() {
    if (next_ >= column_.rows()) return Status::Invalid("too few values of elements");
    const std::string_view value = static_cast<const arrow::LargeBinaryArray&>(*column_.values).GetView(next_++);
    if (!value.starts_with("\x08\x01")) return Status::Invalid("a value of an element that is not in a tuple of one");
    return value.substr(2);
  }
  bool at_end() const { return next_ == column_.rows(); }

 private:
  const TableColumn& column_;
  std::int64_t next_ = 0;
};

/// One change of an element as a worker writes it.
enum class Change : std::int64_t { kClear = 0, kAdd = 1, kSet = 2, kRemove = 3, kRefresh = 4, kRefreshAll = 5 };

Status Apply(state::ElementStates* elements, state::EntryId entry, Change change, std::int64_t number, std::int64_t now_ms,
             WrappedValues* keys, WrappedValues* values, bool has_keys) {
  switch (change) {
    case Change::kClear:
      elements->Clear(entry);
      return Status::OK();
    case Change::kAdd:
      for (std::int64_t i = 0; i < number; ++i) {
        std::string_view key;
        if (has_keys) {
          HR_ASSIGN_OR_RAISE(key, keys->Next());
        }
        HR_ASSIGN_OR_RAISE(const std::string_view value, values->Next());
        HR_RETURN_NOT_OK(elements->Add(entry, key, value, now_ms));
      }
      return Status::OK();
    case Change::kSet: {
      HR_ASSIGN_OR_RAISE(const std::string_view value, values->Next());
      return elements->Set(entry, number, value, now_ms);
    }
    case Change::kRemove:
      return elements->Remove(entry, number);
    case Change::kRefresh:
      return elements->Refresh(entry, number, now_ms);
    case Change::kRefreshAll:
      elements->RefreshAll(entry, now_ms);
      return Status::OK();
  }
  return Status::Invalid("a change of an element of kind ", static_cast<std::int64_t>(change));
}

}  // namespace

TripStates::TripStates(state::KeyedStates* states, const std::vector<plan::StateDeclaration>& declared, bool broadcast)
    : states_(states), declared_(declared), broadcast_(broadcast), views_(2 + declared.size()) {
  for (std::size_t i = 0; i < declared_.size(); ++i) {
    const auto ttl_ms = static_cast<std::int64_t>(declared_[i].ttl_ms);
    ttl_ms_.push_back(ttl_ms);
    columns_back_ += OfElements(declared_[i]) ? 3 : 2;
    if (!OfElements(declared_[i])) continue;
    has_elements_ = true;
    states_->KeepElements(i, declared_[i].kind == Kind::kList ? state::MakeListStates(ttl_ms) : state::MakeMapStates(ttl_ms));
  }
}

// ---- to the worker ----

std::int64_t TripStates::SentBytes(state::EntryId entry) const {
  std::int64_t bytes = 0;
  const bool resident = resident_.Has(entry) && !HasSparse(entry);
  for (std::size_t i = 0; i < declared_.size(); ++i) {
    const state::ElementStates* elements = states_->elements(i);
    if (elements == nullptr)
      bytes += static_cast<std::int64_t>(states_->Read(i, entry).size());
    else if (!resident)
      bytes += elements->size_bytes(entry);
  }
  return bytes;
}

std::int64_t TripStates::KeptBytes(state::EntryId entry) const {
  std::int64_t bytes = 0, count = 0;
  for (std::size_t i = 0; i < declared_.size(); ++i) {
    if (const state::ElementStates* elements = states_->elements(i)) {
      bytes += elements->size_bytes(entry);
      count += elements->count(entry);
    }
  }
  return ResidentKeys::Cost(static_cast<std::int64_t>(states_->Key(entry).size()), bytes, count);
}

bool TripStates::HasSparse(state::EntryId entry) const {
  for (std::size_t i = 0; i < declared_.size(); ++i) {
    const state::ElementStates* elements = states_->elements(i);
    if (elements != nullptr && elements->sparse(entry)) return true;
  }
  return false;
}

bool TripStates::wants_tidying(const std::vector<state::EntryId>& entries) const {
  return has_elements_ && std::any_of(entries.begin(), entries.end(), [&](state::EntryId entry) { return HasSparse(entry); });
}

void TripStates::Write(const std::vector<state::EntryId>& entries, const std::vector<bool>& outstanding, TableWriter* table) {
  for (auto& views : views_) views.clear();
  whole_.clear();
  forgotten_.clear();
  std::vector<std::int64_t> known;
  for (const state::EntryId entry : entries) {
    views_[0].push_back(states_->Key(entry));
    const bool here = has_elements_ && resident_.Has(entry) && !HasSparse(entry);
    if (has_elements_) known.push_back(here ? 1 : 0);
    for (std::size_t i = 0; i < declared_.size(); ++i) {
      std::string_view value;
      if (state::ElementStates* elements = states_->elements(i)) {
        if (!here) {
          elements->Tidy(entry, now_ms_);
          elements->AppendTo(entry, &whole_.emplace_back());
          if (!whole_.back().empty()) value = whole_.back();
        }
      } else if (sends_values()) {
        value = states_->Read(i, entry);
      }
      views_[2 + i].push_back(value);
    }
    if (has_elements_) resident_.Keep(entry, KeptBytes(entry));
  }
  if (has_elements_ && !broadcast_) {
    resident_.Shrink([&](state::EntryId entry) { return entry < outstanding.size() && outstanding[entry]; },
                     [&](state::EntryId entry) { forgotten_.emplace_back(states_->Key(entry)); });
  }
  for (const std::string& key : forgotten_) views_[1].push_back(key);
  table->AddBytes(views_[0]);
  table->AddInts(std::move(known));
  table->AddBytes(views_[1]);
  for (std::size_t i = 0; i < declared_.size(); ++i) table->AddBytes(views_[2 + i], FormOf(declared_[i]));
  sent_ = true;
}

// ---- from the worker ----

Status TripStates::Read(const std::vector<state::EntryId>& entries, std::int64_t now_ms, std::span<const TableColumn> columns) {
  for (std::size_t i = 0; i < declared_.size(); ++i) {
    if (states_->elements(i) == nullptr) {
      HR_RETURN_NOT_OK(ReadValues(i, entries, columns[0], columns[1]));
      columns = columns.subspan(2);
    } else {
      HR_RETURN_NOT_OK(ReadElements(i, entries, now_ms, columns.first(3)));
      columns = columns.subspan(3);
    }
  }
  return Status::OK();
}

Status TripStates::ReadValues(std::size_t state, const std::vector<state::EntryId>& entries, const TableColumn& group_column,
                              const TableColumn& values) {
  HR_ASSIGN_OR_RAISE(const auto groups, group_column.Ints("groups of states"));
  if (values.rows() != static_cast<std::int64_t>(groups.size())) return Status::Invalid("states that are not one for each group");
  const bool bytes = values.form == FormOf(declared_[state]);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (groups[i] < 0 || groups[i] >= static_cast<std::int64_t>(entries.size())) return Status::Invalid("a state of group ", groups[i]);
    const bool absent = values.values->IsNull(static_cast<std::int64_t>(i));
    if (!absent && !bytes) return Status::Invalid("a state that is not bytes");
    std::string_view value;
    if (!absent) value = static_cast<const arrow::LargeBinaryArray&>(*values.values).GetView(static_cast<std::int64_t>(i));
    HR_RETURN_NOT_OK(states_->Write(state, entries[static_cast<std::size_t>(groups[i])], value));
  }
  return Status::OK();
}

Status TripStates::ReadElements(std::size_t state, const std::vector<state::EntryId>& entries, std::int64_t now_ms,
                                std::span<const TableColumn> columns) {
  HR_ASSIGN_OR_RAISE(const auto changes, columns[0].Ints("changes of elements"));
  WrappedValues keys(columns[1]), values(columns[2]);
  if (changes.size() % 3 != 0 || !keys.wellformed() || !values.wellformed())
    return Status::Invalid("changes of elements that lack something");
  state::ElementStates* elements = states_->elements(state);
  for (std::size_t at = 0; at < changes.size();) {
    const std::int64_t group = changes[at];
    if (group < 0 || group >= static_cast<std::int64_t>(entries.size())) return Status::Invalid("an element of group ", group);
    const state::EntryId entry = entries[static_cast<std::size_t>(group)];
    const bool had_any = states_->HasAny(entry);
    for (; at < changes.size() && changes[at] == group; at += 3) {
      HR_RETURN_NOT_OK(Apply(elements, entry, static_cast<Change>(changes[at + 1]), changes[at + 2], now_ms, &keys, &values,
                             declared_[state].kind == Kind::kMap));
    }
    states_->NoteElements(entry, had_any);
    resident_.Keep(entry, KeptBytes(entry));
  }
  if (!keys.at_end() || !values.at_end()) return Status::Invalid("values that belong to no element");
  return Status::OK();
}

// ---- keeping house ----

void TripStates::SweepExpired(std::int64_t wall_ms, const std::vector<bool>& outstanding) {
  sweep_.Run(states_, ttl_ms_, Now(wall_ms), [&](state::EntryId entry) { return entry < outstanding.size() && outstanding[entry]; });
}

void TripStates::Move(const std::vector<state::EntryId>& moved) {
  resident_.Move(moved);
  sweep_.Restart();
}

}  // namespace headrace::data::python
