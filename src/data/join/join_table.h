#pragma once
#include <arrow/type_fwd.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/status.h"
#include "data/join/join_keys.h"
#include "data/state/group_table.h"
#include "data/state/row_store.h"

namespace headrace::data::join {

/// Rows of both sides of a join by key: one table of keys, each with a chain of rows a side in the order they came, or were linked.
/// A key is looked up once for both sides, a whole batch at a time. Keys without rows are swept out once they are the most.
/// Owned by its operator, used on the task's thread only.
class JoinTable {
 public:
  static constexpr std::uint32_t kNone = state::RowStore::kNone;

  /// `fields`: the columns that are kept of each side.
  static Result<JoinTable> Make(JoinKeys keys, const std::array<arrow::FieldVector, 2>& fields);

  /// The groups of all rows of a batch of a side, made where there are none. They hold until the next Resolve() or Tidy().
  Result<std::span<std::uint64_t* const>> Resolve(std::size_t side, const arrow::RecordBatch& batch);
  /// Of that batch: whether row i has a null key and matches nothing.
  bool IsNull(std::size_t i) const { return keys_.nulls() != nullptr && keys_.nulls()[i] != 0; }

  state::RowStore& rows(std::size_t side) { return stores_[side]; }
  /// First row of a side's chain, or kNone; rows(side).next() goes on.
  static std::uint32_t Head(const std::uint64_t* group, std::size_t side) { return static_cast<std::uint32_t>(group[side]) - 1; }
  static std::uint32_t Tail(const std::uint64_t* group, std::size_t side) { return static_cast<std::uint32_t>(group[side] >> 32) - 1; }
  /// Puts a kept row behind `after` in its group's chain; kNone = in front of all.
  void Link(std::size_t side, std::uint64_t* group, std::uint32_t row, std::uint32_t after);
  void LinkLast(std::size_t side, std::uint64_t* group, std::uint32_t row) { Link(side, group, row, Tail(group, side)); }
  /// Takes a row out of its chain and forgets it.
  void Remove(std::size_t side, std::uint32_t row);
  /// Takes many out; what each needs is asked for while others before it are in hand.
  void RemoveAll(std::size_t side, std::span<const std::uint32_t> rows);
  /// How many rows ahead of the one in hand memory is asked for.
  static constexpr std::size_t kAhead = 12;
  std::uint64_t* GroupOf(std::size_t side, std::uint32_t row) {
    return groups_.RowValues(static_cast<std::int64_t>(stores_[side].extra(row)[0]));
  }

  /// After rows were removed: frees keys and texts once that pays.
  Status Tidy();
  std::int64_t allocated_bytes() const;

 private:
  static constexpr std::uint32_t kNumber = 2, kGroupWords = 3;  // words of a group: a chain a side (tail and head + 1), its own number
  JoinTable(JoinKeys keys, state::RowStore left, state::RowStore right);
  Status Rebuild();
  void Number(std::int64_t from);

  JoinKeys keys_;
  std::array<state::RowStore, 2> stores_;  // extra word of a row: its group's number
  state::GroupTable groups_;
  std::int64_t used_groups_ = 0;
  std::vector<std::uint64_t*> found_;
};

/// Kept rows by the time at which they may be forgotten. Rows that were removed meanwhile are passed over.
/// Owned by its operator, used on the task's thread only.
class ExpiryQueue {
 public:
  /// Times are put into buckets of `grain_ms`.
  explicit ExpiryQueue(std::int64_t grain_ms) : grain_ms_(grain_ms < 1 ? 1 : grain_ms) {}
  void Add(std::int64_t time_ms, std::uint32_t row, std::uint32_t generation);
  /// Calls expire(row) for every row that is still kept, and whose whole bucket is at most `now_ms`; with `exact` also for rows
  /// of the bucket that has begun. True when there were any.
  template <typename Expire>
  bool ExpireUpTo(std::int64_t now_ms, bool exact, const state::RowStore& rows, Expire expire) {
    bool any = false;
    while (!buckets_.empty() && buckets_.begin()->first <= Floor(now_ms)) {
      auto bucket = buckets_.begin();
      const bool whole = bucket->first < Floor(now_ms) || bucket->first + grain_ms_ - 1 <= now_ms;
      if (!whole && !exact) return any;
      std::size_t kept = 0;
      for (const Entry& entry : bucket->second) {
        if (rows.generation(entry.row) != entry.generation) continue;
        if (!whole && entry.time_ms > now_ms) {
          bucket->second[kept++] = entry;
          continue;
        }
        expire(entry.row);
        any = true;
      }
      entries_ -= static_cast<std::int64_t>(bucket->second.size() - kept);
      bucket->second.resize(kept);
      if (!whole) return any;
      last_ = nullptr;
      buckets_.erase(bucket);
    }
    return any;
  }
  bool empty() const { return buckets_.empty(); }
  /// When the first whole bucket is due. Not of an empty queue.
  std::int64_t next_ms() const { return buckets_.begin()->first + grain_ms_ - 1; }
  std::int64_t allocated_bytes() const { return entries_ * static_cast<std::int64_t>(sizeof(Entry)); }

 private:
  struct Entry {
    std::int64_t time_ms;
    std::uint32_t row, generation;
  };
  std::int64_t Floor(std::int64_t time_ms) const {
    const std::int64_t rest = time_ms % grain_ms_;
    return time_ms - (rest < 0 ? rest + grain_ms_ : rest);
  }
  std::int64_t grain_ms_, entries_ = 0;
  std::map<std::int64_t, std::vector<Entry>> buckets_;  // by the first time of each
  std::vector<Entry>* last_ = nullptr;                  // bucket that took a row last, by its first time; null: gone
  std::int64_t last_ms_ = 0;
};

}  // namespace headrace::data::join
