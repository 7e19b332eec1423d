#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/window/sliced_aggregate.h"
#include "data/window/window_aggregate.h"

namespace headrace::data::window {

/// Tumbling and sliding windows: a row touches one slice, whatever the overlap.
class SlicedWindowAggregate final : public WindowAggregate {
 public:
  SlicedWindowAggregate(Parts parts, const WindowSpec& windows);

 protected:
  Result<std::int64_t> AddRows(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                               std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late) override;
  Result<bool> EmitPiece(std::int64_t watermark_ms, op::Collector* out) override;
  std::int64_t allocated_bytes() const override { return windows_.allocated_bytes(); }
  const AggregateCalls::Functions& functions() const override { return windows_.functions(); }
  void MarkKeys(KeyWords* keys) const override {
    windows_.ForEachKey([keys](const std::uint64_t* key) { keys->Mark(key); });
  }

 private:
  SlicedWindowAggregate(Parts&& parts, const WindowSpec& windows, std::uint32_t key_words, AggregateCalls::Functions functions);

  SlicedAggregate windows_;
  std::optional<SlicedAggregate::Fired> fired_;  // the window in hand, and the next of its groups
  std::int64_t next_group_ = 0;
  std::vector<const std::uint64_t*> row_keys_, row_values_;
};

}  // namespace headrace::data::window
