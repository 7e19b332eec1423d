#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "plan/job_graph.h"
#include "plan/split.h"

namespace headrace::plan {

/// A file from a byte position to its end. Of a Parquet file: the row groups that begin within [begin, end), from row `position` of them.
struct FileSplit {
  std::string path;
  std::int64_t position = 0;
  std::int64_t begin = 0, end = -1;  ///< bytes; -1 = to the end
  std::string ToPayload() const;
  static Result<FileSplit> FromPayload(std::string_view payload);
};

/// The rows `next`, `next + step`, … below `end` of a generator (-1 = endless). Subtasks take residue classes, so the rows
/// are the same at any parallelism.
struct GeneratorSplit {
  std::int64_t next = 0;
  std::int64_t step = 1;
  std::int64_t end = -1;
  std::string ToPayload() const;
  static Result<GeneratorSplit> FromPayload(std::string_view payload);
};

/// Events of a block of the nexmark source; its splits are GeneratorSplits over blocks.
inline constexpr std::int64_t kNexmarkBlockEvents = 4000;

/// The values of a collection from `position` on.
struct CollectionSplit {
  std::int64_t position = 0;
  std::string ToPayload() const;
  static Result<CollectionSplit> FromPayload(std::string_view payload);
};

/// Splits of the sources that need no outside system: collection, generator and file. Give split i to subtask i mod parallelism.
/// Files are listed here (file, folder without hidden files, or glob with * ? [] in any part), sorted by path.
/// kBadOption naming the path when nothing matches or it cannot be read; kUnknownConnector for other kinds.
Result<std::vector<SourceSplit>> PlanLocalSplits(const ConnectorSpec& spec, std::uint32_t parallelism);

}  // namespace headrace::plan
