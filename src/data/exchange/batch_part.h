#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>

#include "columnar/data_batch.h"
#include "columnar/stream_element.h"

namespace headrace::data::exchange {

/// Rows [first, first + rows) of a batch. Pieces of one batch share it, so that a piece costs neither a copy nor columns of its own.
/// A value type; may cross threads.
struct BatchPart {
  columnar::DataBatch batch;
  std::int64_t first = 0, rows = 0;

  static BatchPart Whole(columnar::DataBatch batch) {
    const std::int64_t rows = batch.num_rows();
    return {std::move(batch), 0, rows};
  }
  bool whole() const { return rows == batch.num_rows(); }
  std::int64_t size_bytes() const { return ShareOf(batch, rows); }
  columnar::DataBatch ToBatch() const { return whole() ? batch : batch.Slice(first, rows); }
  /// What so many rows of a batch have of its bytes; never 0.
  static std::int64_t ShareOf(const columnar::DataBatch& batch, std::int64_t rows) {
    const std::int64_t of = std::max<std::int64_t>(batch.num_rows(), 1);
    return std::max<std::int64_t>(batch.size_bytes() * rows / of, 1);
  }
};

/// What a channel carries: of a batch, the rows of one part.
struct ChannelElement {
  columnar::StreamElement element;
  std::int64_t first = 0, rows = 0;  ///< of a batch

  ChannelElement() = default;
  explicit ChannelElement(columnar::StreamElement whole) : element(std::move(whole)) {
    if (const auto* batch = std::get_if<columnar::DataBatch>(&element)) rows = batch->num_rows();
  }
  explicit ChannelElement(BatchPart part) : element(std::move(part.batch)), first(part.first), rows(part.rows) {}
  bool is_data() const { return columnar::IsData(element); }
  /// 0 of control elements.
  std::int64_t size_bytes() const {
    const auto* batch = std::get_if<columnar::DataBatch>(&element);
    return batch == nullptr ? 0 : BatchPart::ShareOf(*batch, rows);
  }
  /// The part, moved out; of data only.
  BatchPart TakePart() { return {std::move(std::get<columnar::DataBatch>(element)), first, rows}; }
  /// As an element of its own, moved out.
  columnar::StreamElement Take() { return is_data() ? columnar::StreamElement(TakePart().ToBatch()) : std::move(element); }
};

}  // namespace headrace::data::exchange
