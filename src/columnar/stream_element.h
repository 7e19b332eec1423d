#pragma once
#include <cstdint>
#include <utility>
#include <variant>

#include "columnar/data_batch.h"

namespace headrace::columnar {

/// "No row with event time <= event_time_ms follows on this channel." INT64_MAX closes event time for good.
struct Watermark {
  std::int64_t event_time_ms;
};
/// An idle channel does not hold back the watermark of its consumer.
struct WatermarkStatus {
  bool idle;
};
/// Cuts the stream for checkpoint `checkpoint_id`; `base` is the newest checkpoint known durable.
struct Barrier {
  std::uint64_t checkpoint_id;
  std::uint64_t base_checkpoint_id;
};
/// Nothing follows on this channel.
struct EndOfInput {};

/// What flows between operators. All but DataBatch are control elements: they need no data credit and keep their place among the batches.
using StreamElement = std::variant<DataBatch, Watermark, WatermarkStatus, Barrier, EndOfInput>;

inline bool IsData(const StreamElement& element) { return std::holds_alternative<DataBatch>(element); }

}  // namespace headrace::columnar
