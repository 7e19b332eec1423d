#pragma once
#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <vector>

#include "columnar/data_batch.h"
#include "data/python/table_block.h"
#include "data/python/worker_pool.h"

namespace headrace::data::python {

/// Adds the rows of a batch to a table block: the columns of `schema`, which come first in the batch, or the value column when it is null.
Status AddRows(const columnar::DataBatch& batch, const arrow::Schema* schema, TableWriter* table);
/// Two entries of a stage's setup that say what its rows are: "columns", names or None, and "record", the class that they become.
void WriteRowSetup(const arrow::Schema* schema, std::string* setup);
/// The names of a schema's columns as a list, None for null.
void WriteNames(const arrow::Schema* schema, std::string* setup);
/// The rows that `function` gave: columns from `at` on, typed by `returns` or, when it is null, one column of values. The failure of
/// the function when they are not as declared; Invalid when they are malformed.
Result<columnar::DataBatch> RowsOf(const std::vector<TableColumn>& columns, std::size_t at, const std::shared_ptr<arrow::Schema>& returns,
                                   const StageSpec::Function& function);

}  // namespace headrace::data::python
