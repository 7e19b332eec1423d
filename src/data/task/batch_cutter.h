#pragma once
#include <cstdint>
#include <deque>
#include <optional>

#include "base/random.h"
#include "columnar/data_batch.h"

namespace headrace::data::task {

/// Cuts the batches that a task takes in at places drawn from a seed, with empty ones in between: no result may depend on where
/// batches end. Behind the setting debug.cut_batches, for tests.
/// Owned by its task, used on the task's thread only. All pieces of a batch leave before the next batch comes, so nothing overtakes.
class BatchCutter {
 public:
  struct Piece {
    std::uint32_t input = 0;
    columnar::DataBatch batch;
  };
  explicit BatchCutter(std::uint64_t seed) : random_(seed) {}
  /// Takes a batch whose pieces Next() gives; the pieces before it must have left.
  void Put(std::uint32_t input, const columnar::DataBatch& batch);
  std::optional<Piece> Next();
  /// A channel to read next, of so many.
  std::size_t DrawChannel(std::size_t channels) { return static_cast<std::size_t>(random_.Uniform(channels)); }

 private:
  SeededRandom random_;
  std::deque<Piece> pieces_;
};

}  // namespace headrace::data::task
