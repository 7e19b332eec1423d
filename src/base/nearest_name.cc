#include "base/nearest_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace headrace {
namespace {

constexpr std::size_t kMaxCompared = 64;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Edit distance with insertions, deletions, substitutions and swaps of neighbours.
std::size_t Distance(std::string_view a, std::string_view b) {
  using Row = std::array<std::size_t, kMaxCompared + 1>;
  Row before{}, previous{}, current{};
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = Lower(a[i - 1]) == Lower(b[j - 1]);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && Lower(a[i - 1]) == Lower(b[j - 2]) && Lower(a[i - 2]) == Lower(b[j - 1])) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    before = previous;
    previous = current;
  }
  return previous[b.size()];
}

}  // namespace

std::string_view NearestName(std::string_view wanted, const std::vector<std::string_view>& candidates) {
  wanted = wanted.substr(0, kMaxCompared);
  std::string_view nearest;
  std::size_t best = std::max<std::size_t>(wanted.size() / 3, 1) + 1;
  for (std::string_view candidate : candidates) {
    const std::size_t distance = Distance(wanted, candidate.substr(0, kMaxCompared));
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string DidYouMean(std::string_view wanted, const std::vector<std::string_view>& candidates) {
  const std::string_view nearest = NearestName(wanted, candidates);
  return nearest.empty() ? std::string() : fmt::format(" - did you mean \"{}\"?", nearest);
}

}  // namespace headrace
