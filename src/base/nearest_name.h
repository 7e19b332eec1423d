#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace headrace {

/// The candidate that a person who typed `wanted` most likely meant: the smallest edit distance (a swap of two letters
/// counts once), at most a third of the length. Empty when nothing is near. Looks at the first 64 bytes only. Any thread.
std::string_view NearestName(std::string_view wanted, const std::vector<std::string_view>& candidates);
/// ` - did you mean "topic"?`, or nothing.
std::string DidYouMean(std::string_view wanted, const std::vector<std::string_view>& candidates);

}  // namespace headrace
