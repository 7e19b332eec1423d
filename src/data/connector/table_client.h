#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "plan/job_graph.h"

namespace headrace::data::connector {

/// Asks an outside table for the rows of given keys. Owned by one operator; calls on the task's thread, answers on a side thread, also
/// after the client is gone. Nothing blocks.
class TableClient {
 public:
  struct Found {
    std::vector<std::uint32_t> keys;           ///< of each row: the number of the key it was found for
    std::shared_ptr<arrow::RecordBatch> rows;  ///< the table's columns without those it is joined on
  };
  using Answer = std::function<void(Result<Found>)>;

  virtual ~TableClient() = default;
  /// `table "users" of PostgreSQL at db:5432/shop`
  virtual std::string Describe() const = 0;
  /// kBadOption for settings that cannot work on this machine.
  virtual Status Open() = 0;
  /// Finds the rows of all keys at once; the columns of `keys` are those it is joined on, in their order, without nulls. Answers once.
  /// An error on which kTransient acts may be asked again.
  virtual void Ask(std::shared_ptr<arrow::RecordBatch> keys, Answer answer) = 0;
};

/// `on`: pairs of a stream's and a table's column; `columns`: those to give.
Result<std::unique_ptr<TableClient>> MakeTableClient(const plan::ConnectorSpec& spec,
                                                     const std::vector<std::pair<std::string, std::string>>& on,
                                                     const arrow::FieldVector& columns);

}  // namespace headrace::data::connector
