#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace headrace::plan {

struct ConnectorSpec;

/// Joins each row with the rows of a table that is read whole, where the task runs, before the first row is joined. Gives the input's
/// columns and the table's but for those it is joined on.
struct LookupSpec {
  std::shared_ptr<const ConnectorSpec> table;           ///< a bounded source of typed rows that needs no outside system
  std::vector<std::pair<std::string, std::string>> on;  ///< column of the input, column of the table
  bool keep_unmatched = false;                          ///< rows without a match come with nulls; else they go
};

}  // namespace headrace::plan
