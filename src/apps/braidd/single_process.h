// Front and worker as threads of one process, for tests, debuggers and small machines.
#pragma once

#include <vector>

#include "apps/braidd/listen.h"
#include "apps/braidd/worker.h"
#include "config/config.h"

namespace braid::braidd {

// The same Front and the same worker loop over the same link; only nobody restarts anything.
// Serves until SIGTERM or SIGINT. The exit code. The caller has blocked those and SIGHUP already,
// so that `signals` (take_signals) sees them whatever thread they would have gone to.
int run_single_process(config::Snapshot config, std::vector<Listener> listeners,
                       WorkerServer& server, int signals);

}  // namespace braid::braidd
