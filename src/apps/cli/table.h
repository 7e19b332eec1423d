#pragma once
#include <string>
#include <vector>

namespace headrace::apps::cli {

/// Left-aligned columns with two spaces between, header first. One line a row, without trailing spaces.
std::string RenderTable(const std::vector<std::vector<std::string>>& rows);

}  // namespace headrace::apps::cli
