#include "data/connector/kafka/encoder_start.h"

#include <chrono>
#include <utility>

namespace headrace::data::connector {
namespace {
constexpr std::chrono::milliseconds kRetryDelay{500};
}  // namespace

EncoderStart::EncoderStart(format::RecordEncoderOptions options, Waker* waker, std::function<void(std::string)> on_waiting)
    : options_(std::move(options)), waker_(waker), on_waiting_(std::move(on_waiting)), made_(nullptr) {
  thread_ = std::thread([this] { Run(); });
}

EncoderStart::~EncoderStart() {
  RequestStop();
  thread_.join();
}

void EncoderStart::RequestStop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  stop_wanted_.notify_all();
}

Result<std::unique_ptr<format::RecordEncoder>> EncoderStart::Take() {
  const std::lock_guard lock(mutex_);
  if (!made_.ok()) return made_.status();
  return std::move(*made_);
}

void EncoderStart::Run() {
  bool waiting = false;
  while (true) {
    auto made = format::RecordEncoder::Make(options_);
    const bool again = !made.ok() && WhoActsOn(made.status()) == WhoActs::kTransient;
    if (on_waiting_ && (again || waiting)) on_waiting_(again ? made.status().message() : std::string());
    waiting = again;
    std::unique_lock lock(mutex_);
    if (!again) {
      made_ = std::move(made);
      break;
    }
    if (stop_wanted_.wait_for(lock, kRetryDelay, [this] { return stopped_; })) return;
  }
  if (waker_ != nullptr) waker_->Wake();
}

}  // namespace headrace::data::connector
