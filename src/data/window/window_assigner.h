#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "columnar/data_batch.h"
#include "data/window/window_spec.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// Gives rows the windows that they are in, as the columns window_start and window_end behind their own: a row of overlapping windows
/// comes once for each.
/// Shape:  in typed batches with event times; out the named columns, the windows' bounds, then the reserved columns.
/// Errors: NotImplemented but for tumbling and sliding windows of event time of which a row is in at most kMostWindows;
///         kBadRecord for rows without event times.
/// Thread: owning task's.
class WindowAssigner {
 public:
  static constexpr std::int64_t kMostWindows = 100;
  static Result<WindowAssigner> Make(const plan::Window& window);
  /// kBadRecord for rows without event times.
  static Status CheckTimes(const columnar::DataBatch& batch);
  Result<columnar::DataBatch> Assign(const columnar::DataBatch& batch);
  /// True when every row is in one window: then its end says enough, and the bounds need not stand beside each row.
  bool one_window() const { return spec_.slices_per_window() == 1; }
  const WindowSpec& spec() const { return spec_; }

 private:
  explicit WindowAssigner(WindowSpec spec) : spec_(spec) {}
  /// Rows by their position and the end of a window; true when every row is there once, in order.
  bool Expand(const std::int64_t* times, std::int64_t rows);

  WindowSpec spec_;
  std::vector<std::uint32_t> rows_;
  std::vector<std::int64_t> ends_;
};

}  // namespace headrace::data::window
