#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "base/status.h"
#include "base/waker.h"
#include "columnar/data_batch.h"

namespace headrace::data::connector {

/// Where a split stands behind a batch.
struct SplitProgress {
  std::uint32_t split = 0;    ///< index into the reader's splits
  std::int64_t position = 0;  ///< the next to read, in the connector's own unit
  bool ended = false;         ///< nothing of the split follows
};

/// Rows of one split that stand together in a batch.
struct SplitRun {
  std::uint32_t split;  ///< index into the reader's splits, in the order they were added
  std::int64_t rows;
};

/// One more row of `split` behind the others.
inline void CountRow(std::uint32_t split, std::vector<SplitRun>* runs) {
  if (runs->empty() || runs->back().split != split) runs->push_back({split, 0});
  ++runs->back().rows;
}

/// What a side thread hands to the task: a batch (may be empty) and the positions behind it.
struct ReadItem {
  columnar::DataBatch batch;
  std::vector<SplitRun> runs;  ///< the batch's rows by split, in order
  std::vector<SplitProgress> progress;
};

/// The bounded way from one reading thread to its task. Bounded by batches and bytes; a full queue blocks the reading
/// thread, which is the backpressure of a source. Push and Fail wake the task; Close wakes the reading thread.
class ReadQueue {
 public:
  ReadQueue(std::size_t max_items, std::int64_t max_bytes) : max_items_(max_items), max_bytes_(max_bytes) {}

  // -- reading thread
  void set_waker(Waker* waker) { waker_ = waker; }  ///< before the thread starts
  /// Waits until there is room; false once closed.
  bool WaitForRoom();
  void Push(ReadItem item);
  /// The task gets `status` after what was pushed before.
  void Fail(Status status);
  /// The task found nothing when it last looked: a small batch now is better than a full one later.
  bool task_waits() const;

  // -- task
  /// The next item in order; false when there is none; the status of Fail() when nothing is left before it.
  Result<bool> Pop(ReadItem* item);
  /// The reading thread is let go at its next wait; what is queued is dropped.
  void Close();

 private:
  const std::size_t max_items_;
  const std::int64_t max_bytes_;
  Waker* waker_ = nullptr;
  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::deque<ReadItem> items_;
  std::int64_t bytes_ = 0;
  Status failure_;
  bool closed_ = false;
  bool task_waits_ = true;
};

}  // namespace headrace::data::connector
