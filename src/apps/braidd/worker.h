// The worker process's side of the link: takes connections and orders, and serves.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string_view>
#include <vector>

#include "apps/braidd/passed_on.h"
#include "apps/braidd/service.h"
#include "base/unique_fd.h"
#include "config/config.h"
#include "runtime/connection_sink.h"

namespace braid::braidd {

// The server that a worker runs. Implemented over smb2::Server in server.cc, and by tests.
class WorkerServer : public ConnectionSink {
 public:
  // As adopt(), for a connection of RPC, whose first PDU is a bind as far as its header goes.
  virtual void adopt_rpc(UniqueFd socket, Buffer first_pdu, Service service) = 0;
  // A new configuration, for what comes from now on; what waits for a restart is as at the start.
  // Must not block for long. Thread: the worker's main thread, as drain() is.
  virtual void reload(config::Snapshot config) = 0;
  // The keys of [server] whose new value waits for a restart, for administrators who ask. Before
  // serving and before each reload().
  virtual void keys_wait(std::vector<std::string_view> /*keys*/) {}
  // The link to the process with the network cards, which has just been started. Must not block.
  virtual void use_cards(UniqueFd /*link*/) {}
  // Another worker, the process `pid`, has ended. What it had open holds nobody up any more.
  virtual void worker_ended(pid_t /*pid*/) {}
  // Accepts nothing new, lets requests in progress end, flushes what must be kept. Returns when
  // that is done; the supervisor kills a worker that takes longer than kDrainTime.
  virtual void drain() = 0;
};

// Says "ready" on `control`, then hands connections to `server` until the supervisor orders a drain
// (true) or is gone (false). What the server passes on by way of `passed_on` goes to the front.
// `config`: what the server was made with.
// Thread: the calling one.
bool run_worker(UniqueFd control, WorkerServer& server, PassedOn& passed_on,
                const config::Config& config);

}  // namespace braid::braidd
