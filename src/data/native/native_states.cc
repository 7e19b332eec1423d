#include "data/native/native_states.h"

#include <cstring>
#include <set>
#include <utility>

namespace headrace::data::native {

Result<std::unique_ptr<NativeStates>> NativeStates::Make(const headrace_state* declared, std::uint32_t count,
                                                         columnar::KeyGroupRange key_groups, std::uint32_t max_parallelism) {
  if (count > kMost || (count > 0 && declared == nullptr)) return Status::Invalid("it declares ", count, " states; at most ", kMost);
  auto states = std::unique_ptr<NativeStates>(new NativeStates(count, key_groups, max_parallelism));
  std::set<std::string> names;
  for (std::uint32_t i = 0; i < count; ++i) {
    const headrace_state& state = declared[i];
    const std::string name = state.name == nullptr ? "" : state.name;
    if (name.empty() || !names.insert(name).second) return Status::Invalid("it declares two states \"", name, "\", or one without a name");
    if (state.kind < HEADRACE_VALUE || state.kind > HEADRACE_MAP || state.ttl_ms < 0)
      return Status::Invalid("its state \"", name, "\" is of kind ", state.kind, ", with a time to live of ", state.ttl_ms, " ms");
    Declared kept{name, state.kind, state.refresh_on_read != 0, nullptr};
    if (state.kind == HEADRACE_LIST) states->keys_.KeepElements(i, state::MakeListStates(state.ttl_ms));
    if (state.kind == HEADRACE_MAP) {
      auto maps = std::make_unique<state::KeyedMaps>(state.ttl_ms);
      kept.maps = maps.get();
      states->keys_.KeepElements(i, std::move(maps));
    }
    states->declared_.push_back(std::move(kept));
    states->ttl_ms_.push_back(state.ttl_ms);
  }
  return states;
}

/// kind 0: any.
Status NativeStates::Check(std::uint32_t state, std::uint32_t key, std::uint32_t kind) const {
  if (state >= declared_.size()) return Status::Invalid("it asks for its state number ", state, " of ", declared_.size());
  if (static_cast<std::int64_t>(key) >= keys_.num_entries()) return Status::Invalid("it asks for a key of another call");
  if (kind != 0 && declared_[state].kind != kind) return Status::Invalid("its state \"", declared_[state].name, "\" is of another kind");
  return Status::OK();
}

std::string_view NativeStates::Get(std::uint32_t state, state::EntryId key) {
  const Declared& declared = declared_[state];
  if (state::ElementStates* elements = keys_.elements(state)) {
    if (declared.kind != HEADRACE_LIST) return {};
    const bool had_any = keys_.HasAny(key);
    elements->Tidy(key, now_ms_);
    if (declared.refresh_on_read) elements->RefreshAll(key, now_ms_);
    keys_.NoteElements(key, had_any);
    return elements->Packed(key);
  }
  const std::string_view kept = keys_.Read(state, key);
  if (ttl_ms_[state] == 0 || kept.data() == nullptr) return kept;
  std::int64_t stamp = 0;
  std::memcpy(&stamp, kept.data(), sizeof(stamp));
  if (now_ms_ - stamp >= ttl_ms_[state]) {
    (void)keys_.Write(state, key, {});
    return {};
  }
  if (declared.refresh_on_read && stamp != now_ms_) {
    scratch_.assign(kept);
    std::memcpy(scratch_.data(), &now_ms_, sizeof(now_ms_));
    (void)keys_.Write(state, key, scratch_);  // of the same size: it needs no memory
  }
  return keys_.Read(state, key).substr(sizeof(stamp));
}

Status NativeStates::Put(std::uint32_t state, state::EntryId key, headrace_bytes value) {
  if (state::ElementStates* elements = keys_.elements(state)) {
    if (value.data != nullptr) return Status::Invalid("its state \"", declared_[state].name, "\" is no value");
    const bool had_any = keys_.HasAny(key);
    elements->Clear(key);
    keys_.NoteElements(key, had_any);
    return Status::OK();
  }
  if (value.data == nullptr) return keys_.Write(state, key, {});
  const std::string_view bytes(static_cast<const char*>(value.data), value.size);
  if (ttl_ms_[state] == 0) return keys_.Write(state, key, bytes);
  scratch_.assign(reinterpret_cast<const char*>(&now_ms_), sizeof(now_ms_));
  scratch_.append(bytes);
  return keys_.Write(state, key, scratch_);
}

Status NativeStates::Append(std::uint32_t state, state::EntryId key, std::string_view element) {
  const auto size = static_cast<std::uint32_t>(element.size());
  if (size != element.size())
    return Status::Invalid("an element of ", element.size(), " bytes for the list \"", declared_[state].name, "\"");
  scratch_.assign(reinterpret_cast<const char*>(&size), sizeof(size));
  scratch_.append(element);
  const bool had_any = keys_.HasAny(key);
  HR_RETURN_NOT_OK(keys_.elements(state)->Add(key, {}, scratch_, now_ms_));
  keys_.NoteElements(key, had_any);
  return Status::OK();
}

std::string_view NativeStates::MapGet(std::uint32_t state, state::EntryId key, std::string_view entry) {
  const std::string_view value = declared_[state].maps->Get(key, entry, now_ms_);
  if (value.data() != nullptr && declared_[state].refresh_on_read) declared_[state].maps->Touch(key, entry, now_ms_);
  return value;
}

void NativeStates::MapPut(std::uint32_t state, state::EntryId key, std::string_view entry, headrace_bytes value) {
  const bool had_any = keys_.HasAny(key);
  if (value.data == nullptr)
    declared_[state].maps->Erase(key, entry);
  else
    declared_[state].maps->Put(key, entry, {static_cast<const char*>(value.data), value.size}, now_ms_);
  keys_.NoteElements(key, had_any);
}

bool NativeStates::MapNext(std::uint32_t state, state::EntryId key, const std::string_view* after, std::string_view* entry,
                           std::string_view* value) {
  if (!declared_[state].maps->Next(key, after, now_ms_, entry, value)) return false;
  if (declared_[state].refresh_on_read) declared_[state].maps->Touch(key, *entry, now_ms_);
  return true;
}

}  // namespace headrace::data::native
