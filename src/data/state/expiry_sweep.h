#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "data/state/keyed_states.h"

namespace headrace::data::state {

/// Gives back what keys hold beyond their time to live, a few keys a call, round and round. Values have the int64 ms of their last write
/// in front, elements are ElementStates. Owned with the states by their operator; its thread.
class ExpirySweep {
 public:
  /// ttl_ms: by state, 0 = it stays. skip(entry): the key is in use.
  template <typename Skip>
  void Run(KeyedStates* states, std::span<const std::int64_t> ttl_ms, std::int64_t now_ms, const Skip& skip) {
    const std::int64_t entries = states->num_entries();
    if (entries == 0 || std::all_of(ttl_ms.begin(), ttl_ms.end(), [](std::int64_t ttl) { return ttl == 0; })) return;
    std::int64_t swept = 0, elements_seen = 0;
    for (; swept < std::min(kKeys, entries) && elements_seen < kElements; ++swept) {
      const auto entry = static_cast<EntryId>((at_ + swept) % entries);
      if (skip(entry)) continue;
      for (std::size_t state = 0; state < ttl_ms.size(); ++state) {
        if (ttl_ms[state] == 0) continue;
        if (ElementStates* elements = states->elements(state)) {
          elements_seen += std::min(elements->count(entry), kElements);
          const bool had_any = states->HasAny(entry);
          elements->DropSome(entry, now_ms, kElements);
          states->NoteElements(entry, had_any);
          continue;
        }
        const std::string_view value = states->Read(state, entry);
        std::int64_t stamp = 0;
        if (value.size() < sizeof(stamp)) continue;
        std::memcpy(&stamp, value.data(), sizeof(stamp));
        if (now_ms - stamp >= ttl_ms[state]) (void)states->Write(state, entry, {});
      }
    }
    at_ = (at_ + swept) % entries;
  }
  /// Keys were renumbered.
  void Restart() { at_ = 0; }

 private:
  static constexpr std::int64_t kKeys = 64, kElements = 1024;
  std::int64_t at_ = 0;
};

}  // namespace headrace::data::state
