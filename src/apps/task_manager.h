#pragma once
#include "apps/exit_code.h"
#include "apps/signal_waiter.h"
#include "base/settings.h"

namespace headrace::apps {

/// `headrace taskmanager`: gRPC 6124, exchange 6125, metrics 9090; registers at JOBMANAGER_HOST; runs until SIGINT or SIGTERM,
/// then cancels its tasks and leaves. Main thread.
ExitCode RunTaskManager(const Settings& settings, SignalWaiter* signals);

}  // namespace headrace::apps
