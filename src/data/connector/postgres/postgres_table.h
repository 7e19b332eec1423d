#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/connector/table_client.h"

namespace headrace::data::connector {

/// A table or query of PostgreSQL: one statement finds the rows of all keys that are asked for together. All clients of a process that
/// reach the same database with the same settings share its connections, each with a thread, and one thread that reads answers.
/// Errors: kConnectorIo while the server is away (ask again); kBadOption when it refuses the statement; kBadRecord for values that do
///         not fit their column, and answers of more than a million rows. None of them shows the password.
Result<std::unique_ptr<TableClient>> MakePostgresTable(const plan::ConnectorSpec& spec,
                                                       const std::vector<std::pair<std::string, std::string>>& on,
                                                       const arrow::FieldVector& columns);

}  // namespace headrace::data::connector
