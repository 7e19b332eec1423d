#include "data/task/batch_cutter.h"

#include <algorithm>
#include <utility>

namespace headrace::data::task {
namespace {

constexpr std::int64_t kMaxPieces = 64;

}  // namespace

void BatchCutter::Put(std::uint32_t input, const columnar::DataBatch& batch) {
  const std::int64_t rows = batch.num_rows();
  // A batch of untyped values is never empty: what is in it decides its form.
  const bool empties = batch.value_column() < 0;
  const std::int64_t longest = 1 + static_cast<std::int64_t>(random_.Uniform(4)) * (1 + rows / kMaxPieces);
  for (std::int64_t at = 0; at < rows;) {
    if (empties && random_.Uniform(8) == 0) pieces_.push_back({input, batch.Slice(at, 0)});
    const std::int64_t length = std::min(rows - at, 1 + static_cast<std::int64_t>(random_.Uniform(static_cast<std::uint64_t>(longest))));
    pieces_.push_back({input, batch.Slice(at, length)});
    at += length;
  }
}

std::optional<BatchCutter::Piece> BatchCutter::Next() {
  if (pieces_.empty()) return std::nullopt;
  Piece piece = std::move(pieces_.front());
  pieces_.pop_front();
  return piece;
}

}  // namespace headrace::data::task
