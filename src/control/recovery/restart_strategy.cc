#include "control/recovery/restart_strategy.h"

#include <algorithm>
#include <chrono>

#include "base/random.h"

namespace headrace::control::recovery {
namespace {

using Kind = plan::RestartSettings::Kind;
constexpr std::uint64_t kInitialDelayMs = 1000;
constexpr std::uint64_t kMaxDelayMs = 60'000;
constexpr std::uint64_t kLongestDelayMs = 24u * 3600 * 1000;  // settings come from users

}  // namespace

RestartStrategy::RestartStrategy(const plan::RestartSettings& settings, Random* random) : settings_(settings), random_(random) {
  if (settings_.kind == Kind::kDefault) settings_ = plan::RestartSettings{Kind::kExponential, 0, 0, 0, 0};
  if (settings_.initial_delay_ms == 0) settings_.initial_delay_ms = kInitialDelayMs;
  if (settings_.max_delay_ms == 0) settings_.max_delay_ms = kMaxDelayMs;
  settings_.max_delay_ms = std::min(settings_.max_delay_ms, kLongestDelayMs);
  settings_.delay_ms = std::min(settings_.delay_ms, kLongestDelayMs);
  settings_.initial_delay_ms = std::min(settings_.initial_delay_ms, settings_.max_delay_ms);
}

bool RestartStrategy::exhausted() const { return !restarts() || (settings_.max_attempts != 0 && failures_ >= settings_.max_attempts); }

std::optional<Duration> RestartStrategy::OnTaskFailure() {
  if (exhausted()) return std::nullopt;
  ++failures_;
  if (settings_.kind == Kind::kFixedDelay) return std::chrono::milliseconds(settings_.delay_ms);
  std::uint64_t delay_ms = settings_.initial_delay_ms;
  for (std::uint32_t i = 0; i < backoff_steps_ && delay_ms < settings_.max_delay_ms; ++i) delay_ms *= 2;
  ++backoff_steps_;
  // Jitter only lengthens, up to a fifth: jobs that failed together do not come back together, and none comes back early.
  const double jittered = static_cast<double>(delay_ms) * (1.0 + 0.2 * random_->NextDouble());
  return std::chrono::milliseconds(std::min(static_cast<std::uint64_t>(jittered), settings_.max_delay_ms));
}

}  // namespace headrace::control::recovery
