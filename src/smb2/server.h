// Server: the SMB2 engine of one worker. [MS-SMB2] 3.3.1.5 "Global".
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "auth/authenticator.h"
#include "auth/id_mapper.h"
#include "auth/logon_penalties.h"
#include "base/clock.h"
#include "base/guarded.h"
#include "base/memory_budget.h"
#include "config/config.h"
#include "network/interfaces.h"
#include "network/rdma_listeners.h"
#include "rpc/pipe_registry.h"
#include "runtime/connection_sink.h"
#include "runtime/reactor.h"
#include "runtime/reactor_lane.h"
#include "runtime/task_scope.h"
#include "runtime/worker_pool.h"
#include "smb2/common/channel_counters.h"
#include "smb2/common/limits.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"
#include "smb2/files/opens_handover.h"
#include "smb2/handover/live_handover.h"
#include "smb2/logons/logon_services.h"
#include "smb2/shares/live_settings.h"
#include "smb2/shares/share.h"
#include "smb2/workers/other_workers.h"
#include "transport/transport.h"

namespace braid::smb2 {

// What a Server is made of; main builds the parts and hands them over. All outlive the Server.
struct ServerParts {
  config::Snapshot config;
  std::shared_ptr<const ShareTable> shares;
  const auth::Authenticator& authenticator;
  const auth::IdMapper& ids;
  const rpc::PipeRegistry& pipes;
  auth::LogonPenalties& penalties;
  Guid server_guid;
  bool anonymous_sessions = false;     // may reach IPC$ and nothing else
  ConnectionRouter* router = nullptr;  // null: this worker has every client
  const Clock& clock = system_clock();
  // A client that asks for an open of a server that has ended must not find another one: by chance,
  // less than 2^43.
  uint64_t first_file_id = 1;
  // commands/ioctl/test_switches.cc: what smbtorture may ask of a server under test.
  bool test_switches = false;
  // RLIMIT_NOFILE; fd_budget.h divides it.
  size_t descriptors_max = size_t{1} << 20;
  // The other workers; null when there are none. The Server starts and stops it.
  store::Group* group = nullptr;
  // Whether a process of this machine is one of them: NotifyHub.
  std::function<bool(pid_t)> is_worker;
  AuditLog* audit = nullptr;  // null: there is none
};

// Owned by the worker's main. Thread: adopt() and stop() from any.
class Server {
 public:
  Server(ServerParts parts, ReactorPool& reactors, WorkerPool& pool);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes over a connection of whatever kind, on a reactor of its choice. `first_message`, as in
  // ConnectionSink::adopt(), came with it; empty: it is still to come.
  void adopt(transport::MakeTransport connection, Buffer first_message, Arrival arrival);
  // The same for a transport that is there already. Thread: any.
  void serve(transport::TransportPtr transport, Buffer first_message,
             Arrival arrival = Arrival::kNew);
  // Ends all connections, closes all sessions, waits for what runs. Blocks the calling thread,
  // which must not be a reactor.
  void stop();

  // For processes that are to take this one's place. Takes no new connections and no requests, and
  // waits until `end` at most for what runs. With kEnd all connections end as if they were lost,
  // but for what clients are told of sessions that end; with kGo those stay and rest that
  // live_handover() can give. Then all opens of the others that are kept wait for their clients.
  // False: something runs still, which waits for a disk; what it holds is not among them. Then
  // either resume(), after which all is as before; or leave(), after which what is in handle logs
  // waits for the next life of this server, and the process is to end at once. Thread: as stop().
  enum class Connected : uint8_t { kEnd, kGo };
  bool suspend(std::chrono::steady_clock::time_point end, Connected connected = Connected::kEnd);
  void resume();
  void leave();
  OpensHandover& opens_handover() { return opens_handover_; }
  LiveHandover& live_handover() { return live_handover_; }
  // Of the connections that it takes: one on `transport`, if there is room for it, which does not
  // run yet; on its reactor. Then it runs, unless it may not be here.
  std::shared_ptr<Connection> make_connection(transport::TransportPtr transport);
  void go_on_with(std::shared_ptr<Connection> connection);
  Reactor& next_reactor() { return reactors_.next(); }
  // Ends what a configuration does not allow that those who connected had not met.
  void end_what_may_not_stay() { scope_.spawn(end_trees_that_may_not_stay()); }

  // The shares for TREE_CONNECTs and the dialects and protection for connections from now on. What
  // is connected stays as it is, to a share that is gone as well; but for clients and users that
  // `hosts` and `allow` keep out now or let do less: their connections and their TreeConnects end.
  // Thread: any that may act as the server.
  void reconfigure(config::Snapshot config, std::shared_ptr<const ShareTable> shares);
  // How often that was done. Thread: any.
  uint64_t readings() const { return readings_.load(std::memory_order_acquire); }
  // Whether the configuration that there is now lets `session` have `tree`. May wait for a name
  // service. Thread: any.
  bool may_stay(const Session& session, const TreeConnect& tree) const;
  const rpc::PipeRegistry& pipes() const { return parts_.pipes; }
  bool test_switches() const { return parts_.test_switches; }
  const Guid& server_guid() const { return parts_.server_guid; }
  const network::Interfaces& interfaces() const { return interfaces_; }
  network::Interfaces& interfaces() { return interfaces_; }
  ConnectionRouter* router() const { return parts_.router; }

  // Held by who takes a place in a share with max_connections, from counting to being counted.
  RankedMutex<LockRank::kPlaces> places;

  LiveSettings settings;
  // What all clients together may make this worker hold.
  const std::shared_ptr<MemoryBudget> memory;
  CompressionLoad compression;
  ChannelCounterTable channel_counters;
  ReactorLanes reactor_lanes{kQuickTurn};
  OtherWorkers workers;
  network::RdmaListeners rdma;
  LogonServices logons;
  FileServices files;

  uint64_t next_connection_number() { return next_connection_number_.fetch_add(1); }
  // All there are now. Thread: any.
  std::vector<std::shared_ptr<Connection>> connections() const;
  // Connections and bytes since the start, those that are there still among them. Thread: any.
  struct Totals {
    uint64_t connections = 0;
    uint64_t requests = 0;
    uint64_t bytes_received = 0;
    uint64_t bytes_sent = 0;
    uint64_t bytes_placed = 0;  // as in ConnectionCounters
    uint64_t bytes_copied = 0;
  };
  Totals totals() const;
  // Bytes of the connections to each of this server's addresses, in the same way. Thread: any.
  struct AddressTotals {
    ChannelCounterTable::Name name;
    std::shared_ptr<const ChannelCounters> counters;
    uint64_t connections = 0;  // that there are now
    uint64_t bytes_received = 0;
    uint64_t bytes_sent = 0;
  };
  std::vector<AddressTotals> totals_by_address() const;

 private:
  Task<void> serve_on(Reactor& reactor, transport::MakeTransport connection, Buffer first_message,
                      Arrival arrival);
  Task<void> end_trees_that_may_not_stay();
  Task<void> run_on_its_reactor(std::shared_ptr<Connection> connection);
  Task<void> serve_connection(std::shared_ptr<Connection> connection, Buffer first_message,
                              Arrival arrival);

  ServerParts parts_;  // config and shares: as they were at the start
  network::Interfaces interfaces_;
  ReactorPool& reactors_;
  struct Connections {
    std::unordered_set<std::shared_ptr<Connection>> set;
    Totals ended;
    bool stopping = false;
  };
  Guarded<Connections> connections_;
  TaskScope scope_;
  OpensHandover opens_handover_{files};
  LiveHandover live_handover_{*this};
  std::atomic<uint64_t> next_connection_number_ = 1;
  std::atomic<uint64_t> readings_ = 0;
};

}  // namespace braid::smb2
