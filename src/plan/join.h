#pragma once
#include <arrow/type_fwd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "plan/relational.h"

namespace headrace::plan {

struct OperatorSpec;

/// Rows of two inputs with equal keys, paired. What bounds the pairing is one of Bound; see docs/reference/joins.md.
struct JoinSpec {
  enum class Kind { kInner, kLeft, kRight, kFull, kSemi, kAnti };
  enum class Bound {
    kNone,      ///< every row meets every other, however old, unless time-to-live forgets it
    kWindow,    ///< rows of one event-time window, made here
    kInterval,  ///< right.time within [left.time + lower_ms, left.time + upper_ms]
    kVersion,   ///< each left row meets the newest right row that is not newer than itself
  };
  Kind kind = Kind::kInner;
  Bound bound = Bound::kNone;
  std::vector<std::string> left_keys, right_keys;  ///< equally many, matched in pairs; null matches nothing
  Window window;
  std::int64_t lower_ms = 0, upper_ms = 0;
  std::array<std::uint64_t, 2> ttl_ms = {0, 0};  ///< kNone: how long rows of a side are kept by the machine's clock; 0 = for ever
  std::string suffix = "_right";                 ///< for columns of the right side whose name the left side has
  std::array<std::string, 2> late_tags;          ///< side outputs for rows of a side that come too late; empty = they are dropped
};

/// One row a key: the first or the last, by event time or by arrival.
struct DeduplicateSpec {
  std::vector<std::string> keys;
  bool last = false, by_event_time = false;
  std::uint64_t ttl_ms = 0;  ///< keys are forgotten so long after the last row that was kept; 0 = never
};

/// Where the columns of a join come from.
struct JoinColumns {
  struct Column {
    int left = -1, right = -1;  ///< in the inputs; both = a key that stands once; -1, -1 = a bound of the window
  };
  std::shared_ptr<arrow::Schema> schema;
  std::vector<Column> columns;
  bool by_window_columns = false;  ///< both inputs have windows, and the keys name them: each window is joined for itself
};

/// What `join` gives for two inputs. Checks it as SchemaOf() does.
Result<JoinColumns> ColumnsOf(const OperatorSpec& spec, const JoinSpec& join, const std::vector<std::shared_ptr<arrow::Schema>>& inputs);
Result<std::shared_ptr<arrow::Schema>> SchemaOf(const OperatorSpec& spec, const DeduplicateSpec& deduplicate,
                                                const std::shared_ptr<arrow::Schema>& input);

}  // namespace headrace::plan
