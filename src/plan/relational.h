#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "plan/expression.h"

namespace headrace::plan {

/// Operators over typed rows. All are values; what they give is settled by SchemaOf() (plan/row_schema.h).

/// New columns from expressions over the old ones.
struct SelectSpec {
  std::vector<NamedExpression> columns;
  bool keep_all = false;  ///< the input's columns come first; a column of the same name replaces its own
};
/// Rows for which the condition is true.
struct WhereSpec {
  Expression condition;
};

/// Where rows get their event time, and how far watermarks stay behind it.
struct EventTimeSpec {
  enum class Strategy { kNone, kBounded, kMonotonous, kPunctuated, kCustom };
  /// kCustom: an object written in Python, a copy for each split.
  struct Generator {
    std::string pickled, display_name;
    std::vector<Expression> columns;  ///< that it sees beside the times
    std::uint64_t period_ms = 0;      ///< how often it is asked without rows; 0 = never
  };
  Strategy strategy = Strategy::kNone;
  std::uint64_t bound_ms = 0;
  Expression timestamp;               ///< a timestamp or int64 ms; none = the connector's own
  std::string pickled, display_name;  ///< a Python function instead, row -> ms or datetime
  std::uint64_t idle_after_ms = 0;    ///< 0 = never
  Expression watermark;               ///< kPunctuated: a value that is not null is a watermark standing behind its row
  Generator generator;
  std::string alignment_group;
  std::uint64_t max_drift_ms = 0;
};

struct Window {
  enum class Kind { kNone, kTumbling, kSliding, kSession, kCumulate, kGlobal, kCount };
  Kind kind = Kind::kNone;
  bool processing_time = false;
  std::uint64_t size_ms = 0, slide_ms = 0, gap_ms = 0;
  std::int64_t offset_ms = 0;
  std::uint64_t rows = 0, every = 0;  ///< kCount
};
/// Holds at a row of a group and window; what held once holds until the whole trigger fires.
struct RowTrigger {
  enum class Kind { kNone, kRows, kWhen, kDelta, kAny, kAll };
  Kind kind = Kind::kNone;
  std::uint64_t rows = 0;         ///< kRows
  Expression expression;          ///< kWhen, kDelta
  double threshold = 0;           ///< kDelta: the number has moved by more
  std::vector<RowTrigger> parts;  ///< kAny, kAll
};
struct Trigger {
  std::uint64_t early_every_ms = 0, early_every_rows = 0;
  bool late_every_row = false;
  RowTrigger by_row;
  bool purge = false;        ///< a group that by_row gave begins anew
  bool by_function = false;  ///< rows come from a trigger written in Python (ProcessSpec::triggers)
};
struct AggregateCall {
  std::string name, function;
  std::vector<Expression> arguments;
  Expression filter;
  std::uint64_t limit = 0;
  std::string pickled, display_name;  ///< an accumulator written in Python
};
/// Rows grouped by key columns and, unless the window is kNone, by window. Gives keys, window_start, window_end, calls.
struct AggregateSpec {
  std::vector<std::string> keys;
  Window window;
  std::vector<AggregateCall> calls;
  std::uint64_t allowed_lateness_ms = 0;
  std::string late_tag;
  Trigger trigger;
  std::uint64_t ttl_ms = 0;  ///< without a window: groups are forgotten so long after their last row; 0 = never
};

struct SortKey {
  std::string column;
  bool descending = false;
};
/// The first rows by an order within keys and windows. Gives the input's columns, and the rank when it has a name.
struct TopSpec {
  std::vector<std::string> keys;
  Window window;
  std::vector<SortKey> order;
  std::uint64_t limit = 1;
  bool ties = false;
  std::string rank_name;
  std::uint64_t ttl_ms = 0;  ///< without windows: keys are forgotten so long after the last row that may be among the first
};

}  // namespace headrace::plan
