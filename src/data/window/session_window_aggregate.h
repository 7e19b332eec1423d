#pragma once
#include <cstdint>
#include <vector>

#include "data/window/session_table.h"
#include "data/window/window_aggregate.h"

namespace headrace::data::window {

/// Session windows: rows of a key that follow each other within a gap.
class SessionWindowAggregate final : public WindowAggregate {
 public:
  SessionWindowAggregate(Parts parts, std::int64_t gap_ms, SessionTable::Settings settings);

 protected:
  Result<std::int64_t> AddRows(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                               std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late) override;
  Result<bool> EmitPiece(Occasion occasion, std::int64_t watermark_ms, op::Collector* out) override;
  bool has_changes(Occasion occasion) const override {
    if (occasion == Occasion::kDue) return sessions_.has_due();
    return occasion == Occasion::kLate ? sessions_.has_late() : sessions_.has_early();
  }
  std::int64_t next_end_ms() const override { return sessions_.next_end_ms(); }
  std::int64_t allocated_bytes() const override { return sessions_.allocated_bytes(); }
  const Functions& functions() const override { return sessions_.functions(); }
  bool MarkKeys(KeyWords* keys, MarkPlace* place, std::int64_t most) const override {
    return sessions_.VisitKeys(&place->table, &place->row, most, [keys](const std::uint64_t* key) { keys->Mark(key); });
  }

 private:
  SessionWindowAggregate(Parts&& parts, std::int64_t gap_ms, SessionTable::Settings settings, std::uint32_t key_words, Functions functions);

  SessionTable sessions_;
  std::vector<SessionTable::Fired> fired_;
  std::vector<const std::uint64_t*> row_keys_, row_values_;
  std::vector<std::int64_t> starts_ms_, ends_ms_;
};

}  // namespace headrace::data::window
