#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace headrace::plan {

struct ConnectorSpec;

/// Joins each row with the rows of a table: one that is read whole, where the task runs, before the first row is joined, or one of an
/// outside system that is asked for the keys of each batch. Gives the input's columns and the table's but for those it is joined on.
struct LookupSpec {
  std::shared_ptr<const ConnectorSpec> table;           ///< a bounded local source of typed rows, or one that IsLookedUpIn()
  std::vector<std::pair<std::string, std::string>> on;  ///< column of the input, column of the table
  bool keep_unmatched = false;                          ///< rows without a match come with nulls; else they go
};

}  // namespace headrace::plan
