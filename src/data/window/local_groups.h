#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "data/operator/operator.h"
#include "data/state/group_table.h"
#include "data/window/aggregate_calls.h"
#include "data/window/key_words.h"
#include "data/window/rows_by_slice.h"
#include "data/window/window_spec.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// Column of a partial group: the functions' words, and the number of its rows if none of them is that. Fixed-size binary, memory order of
/// the machine: it travels between the tasks of one deployment and is never stored.
inline constexpr std::string_view kPartialColumn = "__partial";

/// Words of a partial group of an aggregate by windows.
struct PartialLayout {
  std::uint32_t words;
  std::uint32_t count_word;  ///< the number of its rows
  static PartialLayout Of(const plan::AggregateSpec& spec, const Functions& functions);
};

/// Groups by key and slice in which rows are added up in front of a shuffle. Those of several subtasks may share them.
/// Shape:  batches come with event times; groups leave as key columns, kPartialColumn, event time = start of the slice.
/// Thread: one task's, or one loop's.
class LocalGroups {
 public:
  LocalGroups(AggregateCalls calls, KeyWords keys, const WindowSpec& windows, const arrow::Schema& input, const plan::AggregateSpec& spec);

  /// Rows whose slices start from least_ms to greatest_ms.
  Status Add(const columnar::DataBatch& batch, const std::int64_t* times, std::int64_t least_ms, std::int64_t greatest_ms);
  /// Whether a slice that ends behind `after_ms` + 1 ends at `to_ms` + 1 or before.
  bool HasBetween(std::int64_t after_ms, std::int64_t to_ms) const;
  /// Gives out, and forgets, the groups of the slices that HasBetween() speaks of.
  Status Emit(std::int64_t after_ms, std::int64_t to_ms, op::Collector* out);

  const WindowSpec& windows() const { return windows_; }
  std::int64_t num_groups() const;
  std::int64_t allocated_bytes() const;
  /// Rows taken in and groups given out or held since the last call of Forget().
  std::int64_t rows_in() const { return rows_in_; }
  std::int64_t groups_out() const { return groups_out_ + num_groups(); }
  void Forget() { rows_in_ = groups_out_ = 0; }

 private:
  /// The groups of one slice.
  struct Part {
    std::int64_t start_ms;
    state::GroupTable groups;  ///< by key; behind the functions' words the number of rows, if none of them is that
  };
  /// The rows' groups, in rows_.
  Status ResolveSlices(std::span<const std::uint64_t* const> keys, const std::int64_t* times, std::int64_t rows, std::int64_t least_ms,
                       std::int64_t greatest_ms);
  state::GroupTable* TableOf(std::int64_t start_ms);
  bool IsBetween(const Part& part, std::int64_t after_ms, std::int64_t to_ms) const;
  /// The groups that out_keys_ names.
  Status EmitPiece(op::Collector* out);

  AggregateCalls calls_;
  KeyWords keys_;
  const WindowSpec windows_;
  const PartialLayout layout_;
  std::shared_ptr<arrow::Schema> partial_;
  std::vector<Part> parts_;  // a few; the one in use stands last
  std::vector<state::GroupTable> spare_;
  std::int64_t rows_in_ = 0, groups_out_ = 0;
  std::vector<const std::uint64_t*> out_keys_;
  std::vector<std::int64_t> out_times_;
  // Of the batch in hand.
  std::vector<std::uint64_t*> rows_, found_;
  RowsBySlice by_slice_;
};

}  // namespace headrace::data::window
