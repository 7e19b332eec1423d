#pragma once
#include "apps/exit_code.h"
#include "apps/signal_waiter.h"
#include "base/settings.h"

namespace headrace::apps {

/// `headrace jobmanager`: control plane, gRPC 6123, REST 8081, metrics 9090; runs until SIGINT or SIGTERM. Main thread.
ExitCode RunJobManager(const Settings& settings, SignalWaiter* signals);

}  // namespace headrace::apps
