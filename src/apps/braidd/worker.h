// The worker process's side of the link: takes connections and orders, and serves.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/protocol.h"
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

  // Of an upgrade. Whether connections go on in the process that takes this one's place, or end.
  enum class Connected : uint8_t { kEnd, kGo };
  // Of the old worker: takes no requests any more; waits for those in progress, until `end` at
  // most.
  virtual void suspend(std::chrono::steady_clock::time_point /*end*/, Connected /*connected*/) {}
  // Sends what waits for its client to the workers that take this one's place, by whose it is; with
  // kGo what is connected as well, to the one with its number.
  virtual void hand_over(const std::vector<UniqueFd>& /*links*/) {}
  // Nothing came of it: requests are taken again.
  virtual void go_on() {}
  // The others have all. The process ends when this returns.
  virtual void leave() {}
  // Of the new one, which serves nobody yet: takes what the old ones send. How many opens; an
  // error, a line, leaves it all to the old ones.
  virtual std::expected<size_t, std::string> take_over(const std::vector<UniqueFd>& /*links*/,
                                                       Connected /*connected*/) {
    return 0;
  }
  // The old ones have ended. Returns when it serves.
  virtual void serve() {}
  // An attempt to upgrade has ended, the number `attempts` since the server was started.
  virtual void tell_upgrade(uint64_t /*attempts*/, admin::UpgradeNews /*news*/) {}
};

enum class WorkerEnd : uint8_t {
  kDrained,       // the supervisor has ordered it
  kLeft,          // others have taken its place: the process is to end at once
  kNoSupervisor,  // it is gone
};
// Whether a worker serves from the start, or when those have ended whose place it is to take.
enum class WorkerBegin : uint8_t { kServing, kTakingOver };

// Says "ready" on `control`, then hands connections to `server` until it is to end. What the server
// passes on by way of `passed_on` goes to the front. `config`: what the server was made with.
// Thread: the calling one.
WorkerEnd run_worker(UniqueFd control, WorkerServer& server, PassedOn& passed_on,
                     const config::Config& config, WorkerBegin begin = WorkerBegin::kServing);

}  // namespace braid::braidd
