#pragma once

namespace headrace {

/// Warnings of this logger are shown whatever the level of the log is: they are about the user's data. A literal; nullptr for none.
/// Thread-safe.
void ShowWarningsOf(const char* logger);

}  // namespace headrace
