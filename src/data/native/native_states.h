#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/state/expiry_sweep.h"
#include "data/state/keyed_maps.h"
#include "data/state/keyed_states.h"
#include "headrace/native_abi.h"

namespace headrace::data::native {

/// The states of the keys of a native function, as it declares them: bytes that mean something to the function alone, with times to live.
/// Owned by NativeProcess; task's thread. Errors: Invalid for a state that is not there, or is of another kind.
class NativeStates {
 public:
  static constexpr std::uint32_t kMost = 100;

  /// Invalid for states without a name or of no kind, too many, or two of one name.
  static Result<std::unique_ptr<NativeStates>> Make(const headrace_state* declared, std::uint32_t count, columnar::KeyGroupRange key_groups,
                                                    std::uint32_t max_parallelism);
  state::KeyedStates& keys() { return keys_; }
  /// The wall clock of the call in hand; it never goes back.
  void SetNow(std::int64_t wall_ms) { now_ms_ = std::max(now_ms_, wall_ms); }
  std::int64_t now_ms() const { return now_ms_; }

  Status Check(std::uint32_t state, std::uint32_t key, std::uint32_t kind) const;
  std::string_view Get(std::uint32_t state, state::EntryId key);
  Status Put(std::uint32_t state, state::EntryId key, headrace_bytes value);
  Status Append(std::uint32_t state, state::EntryId key, std::string_view element);
  std::string_view MapGet(std::uint32_t state, state::EntryId key, std::string_view entry);
  void MapPut(std::uint32_t state, state::EntryId key, std::string_view entry, headrace_bytes value);
  bool MapNext(std::uint32_t state, state::EntryId key, const std::string_view* after, std::string_view* entry, std::string_view* value);
  void Sweep() {
    sweep_.Run(&keys_, ttl_ms_, now_ms_, [](state::EntryId) { return false; });
  }
  void Restart() { sweep_.Restart(); }
  std::uint32_t kind(std::uint32_t state) const { return declared_[state].kind; }

 private:
  struct Declared {
    std::string name;
    std::uint32_t kind;
    bool refresh_on_read;
    state::KeyedMaps* maps;  // of KeyedStates; null: it is no map
  };
  NativeStates(std::size_t count, columnar::KeyGroupRange key_groups, std::uint32_t max_parallelism)
      : keys_(key_groups, max_parallelism, count) {}

  state::KeyedStates keys_;
  std::vector<Declared> declared_;
  std::vector<std::int64_t> ttl_ms_;
  state::ExpirySweep sweep_;
  std::int64_t now_ms_ = 0;
  std::string scratch_;
};

}  // namespace headrace::data::native
