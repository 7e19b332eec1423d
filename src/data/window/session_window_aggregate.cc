#include "data/window/session_window_aggregate.h"

#include <utility>

namespace headrace::data::window {

SessionWindowAggregate::SessionWindowAggregate(Parts parts, std::int64_t gap_ms, SessionTable::Settings settings)
    : SessionWindowAggregate(std::move(parts), gap_ms, settings, parts.keys.words(), parts.calls.TakeFunctions()) {}

SessionWindowAggregate::SessionWindowAggregate(Parts&& parts, std::int64_t gap_ms, SessionTable::Settings settings, std::uint32_t key_words,
                                               Functions functions)
    : WindowAggregate(std::move(parts)), sessions_(gap_ms, key_words, std::move(functions), settings) {}

Result<std::int64_t> SessionWindowAggregate::AddRows(std::span<const std::uint64_t* const> keys, const std::int64_t* times,
                                                     std::span<const op::AggregateInput> inputs, std::int64_t rows, std::uint8_t* late) {
  return sessions_.Add(keys, times, inputs, rows, late);
}

Result<bool> SessionWindowAggregate::EmitPiece(Occasion occasion, std::int64_t watermark_ms, op::Collector* out) {
  fired_.clear();
  bool more = false;
  if (occasion == Occasion::kLate)
    sessions_.TakeLate(&fired_);
  else if (occasion == Occasion::kEarly)
    sessions_.TakeEarly(&fired_);
  else if (occasion == Occasion::kDue)
    sessions_.TakeDue(&fired_);
  else
    more = sessions_.Fire(watermark_ms, kPieceRows, &fired_);
  row_keys_.clear();
  row_values_.clear();
  starts_ms_.clear();
  ends_ms_.clear();
  for (const SessionTable::Fired& session : fired_) {
    row_keys_.push_back(session.key);
    row_values_.push_back(session.values);
    starts_ms_.push_back(session.start_ms);
    ends_ms_.push_back(session.end_ms);
  }
  HR_RETURN_NOT_OK(EmitRows(row_keys_, row_values_, starts_ms_, ends_ms_, out));
  if (occasion == Occasion::kComplete) sessions_.Release();
  if (occasion == Occasion::kDue) sessions_.Purge();
  return more;
}

}  // namespace headrace::data::window
