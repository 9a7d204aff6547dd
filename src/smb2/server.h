// Server: the SMB2 engine of one worker. [MS-SMB2] 3.3.1.5 "Global".
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "auth/authenticator.h"
#include "auth/id_mapper.h"
#include "auth/logon_penalties.h"
#include "auth/user_store.h"
#include "base/clock.h"
#include "base/guarded.h"
#include "base/memory_budget.h"
#include "cluster/interfaces.h"
#include "config/config.h"
#include "filestate/file_table.h"
#include "rpc/pipe_registry.h"
#include "runtime/connection_sink.h"
#include "runtime/reactor.h"
#include "runtime/task_scope.h"
#include "runtime/turns.h"
#include "runtime/worker_pool.h"
#include "smb2/breaks.h"
#include "smb2/connection.h"
#include "smb2/create_reservations.h"
#include "smb2/fd_budget.h"
#include "smb2/limits.h"
#include "smb2/notify/notify_hub.h"
#include "smb2/open.h"
#include "smb2/open_table.h"
#include "smb2/security/descriptor_store.h"
#include "smb2/session.h"
#include "smb2/share.h"
#include "transport/transport.h"

namespace braid::store {
class WorkerGroup;
}

namespace braid::smb2 {

class Siblings;

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
  // The other workers of this machine; null when there are none. The Server starts and stops it.
  store::WorkerGroup* group = nullptr;
};

// What becomes of the opens of a session that ends. [MS-SMB2] 3.3.5.6 (LOGOFF), 3.3.7.1 (loss of
// the connection) and 3.3.5.5.3 (PreviousSessionId) keep those that were promised to be.
enum class DurableOpens : uint8_t { kKept, kClosed };

// Owned by the worker's main. Thread: adopt() and stop() from any.
class Server {
 public:
  Server(ServerParts parts, ReactorPool& reactors, WorkerPool& pool);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes over a connection of whatever kind, on a reactor of its choice. `first_message`, as in
  // ConnectionSink::adopt(), came with it.
  void adopt(transport::MakeTransport connection, Buffer first_message, Arrival arrival);
  // The same for a transport that is there already. Thread: any.
  void serve(transport::TransportPtr transport, Buffer first_message,
             Arrival arrival = Arrival::kNew);
  // Ends all connections, closes all sessions, waits for what runs. Blocks the calling thread,
  // which must not be a reactor.
  void stop();

  // As they are now; a reconfigure() replaces them. Thread: any.
  std::shared_ptr<const config::Server> settings() const {
    auto config = live_.lock()->config;
    const config::Server* server = &config->server;
    return {std::move(config), server};
  }
  std::shared_ptr<const ShareTable> shares() const { return live_.lock()->shares; }
  // The shares for TREE_CONNECTs and the dialects and protection for connections from now on. What
  // is connected stays as it is, to a share that is gone as well. Thread: any.
  void reconfigure(config::Snapshot config, std::shared_ptr<const ShareTable> shares);
  const auth::Authenticator& authenticator() const { return parts_.authenticator; }
  const auth::IdMapper& ids() const { return parts_.ids; }
  const rpc::PipeRegistry& pipes() const { return parts_.pipes; }
  auth::LogonPenalties& penalties() { return parts_.penalties; }
  const Clock& clock() const { return parts_.clock; }
  bool anonymous_sessions() const { return parts_.anonymous_sessions; }
  bool test_switches() const { return parts_.test_switches; }
  const Guid& server_guid() const { return parts_.server_guid; }
  const cluster::Interfaces& interfaces() const { return interfaces_; }
  // For files; there by a Seat, which says whose turn it is.
  WorkerPool& pool() { return pool_; }
  const WorkerPool& pool() const { return pool_; }
  // For logons, which wait for name services, and must not for files.
  WorkerPool& logons() { return logons_; }
  ConnectionRouter* router() const { return parts_.router; }

  // What all clients together may make this worker hold.
  const std::shared_ptr<MemoryBudget> memory;
  SessionTable session_table;
  OpenTable open_table;
  CreateReservations create_reservations{open_table};
  ClientTable client_table;
  FileIdSource file_ids;
  FdBudget fds;
  filestate::LockId next_lock_id() { return {next_lock_id_.fetch_add(1)}; }
  Breaks breaks;
  DescriptorStore descriptors;
  // Of each file, a WRITE that may wait for the disk. File systems let one at a time into a file,
  // and threads that stand before it burn as much CPU as the one inside.
  Turns<FileKey> writers;
  // Of each file, a LOCK or UNLOCK of more ranges than fit into one turn of a reactor.
  Turns<FileKey> long_locks;
  NotifyHub notify;
  filestate::FileTable file_table;
  // Whether any directory lease was ever granted: without, a CLOSE need not look up its directory.
  std::atomic<bool>& has_directory_leases;
  Siblings& siblings() { return *siblings_; }

  uint64_t next_connection_number() { return next_connection_number_.fetch_add(1); }
  // All there are now. Thread: any.
  std::vector<std::shared_ptr<Connection>> connections() const;
  // Connections and bytes since the start, those that are there still among them. Thread: any.
  struct Totals {
    uint64_t connections = 0;
    uint64_t requests = 0;
    uint64_t bytes_received = 0;
    uint64_t bytes_sent = 0;
  };
  Totals totals() const;

  // [MS-SMB2] 3.3.4.12 "Server Application Requests Closing a Session". False when there is none
  // with this id. The work goes on after the return. REQUIRES: before stop(). Thread: no reactor.
  bool end_session(SessionId id);
  // Ends a session with its trees and opens. Idempotent.
  Task<void> close_session(std::shared_ptr<Session> session,
                           DurableOpens durable = DurableOpens::kKept);
  // Runs it until the Server stops, which waits for it.
  void spawn(Task<void> task) { scope_.spawn(std::move(task)); }
  // Another worker, the process `pid`, has ended.
  void worker_ended(pid_t pid);

  // Ends them share by share, so that a disk that hangs does not keep what is on others open.
  Task<void> end_opens(std::vector<std::shared_ptr<Open>> opens, DurableOpens durable);
  // Each of many opens that are closed is a piece of its user's work.
  Task<void> take_turn(const Open& open);
  // Ends one tree and the opens made through it.
  Task<void> close_tree(std::shared_ptr<Session> session, std::shared_ptr<TreeConnect> tree);

  // A file that is being deleted because a newcomer made filestate give up its last open, or that
  // is being replaced by a rename: set when that is done. Null when that is not why it is
  // DELETE_PENDING.
  std::shared_ptr<OneShot<bool>> deletion_of(const FileKey& file) const;
  // The same, or what another worker has of it: `by` is who is at it. Never null.
  std::shared_ptr<OneShot<bool>> deletion_of(const FileKey& file, store::WorkerTag by);
  // There is one until the last copy of what this returns is gone, and `held` with it.
  std::shared_ptr<const void> announce_until(const FileKey& file, std::shared_ptr<const void> held);

  // [MS-SMB2] 3.3.6.2 and 3.3.6.4: closes what nobody came back for in time. A timer does it;
  // arm_scavenger() sees to it that there is one, tests call scavenge_opens().
  void scavenge_opens();
  void arm_scavenger();

 private:
  Task<void> end_session_soon(std::shared_ptr<Session> session);
  std::atomic<bool> own_directory_leases_ = false;
  const std::unique_ptr<Siblings> siblings_;

  // Thread: the reactor it runs on, but for `stopped`.
  struct Scavenger {
    explicit Scavenger(Reactor& reactor) : timer(reactor) {}
    Timer timer;
    std::atomic<bool> stopped = false;
  };

  // BreakSink::purged, by way of Breaks.
  void purged(const filestate::OpenRef& ref, filestate::CloseDecision closed);
  void orphaned(filestate::OrphanedDeletion deletion);
  Task<void> serve_connection(std::shared_ptr<Connection> connection, Buffer first_message,
                              Arrival arrival);

  struct Live {
    config::Snapshot config;
    std::shared_ptr<const ShareTable> shares;
  };
  ServerParts parts_;  // config and shares: as they were at the start
  Guarded<Live> live_;
  const cluster::Interfaces interfaces_;
  ReactorPool& reactors_;
  WorkerPool& pool_;
  WorkerPool logons_{kLogonPoolLimits};
  struct Connections {
    std::unordered_set<std::shared_ptr<Connection>> set;
    Totals ended;
    bool stopping = false;
  };
  Guarded<Connections> connections_;
  void end_deletion(const FileKey& file, const std::shared_ptr<OneShot<bool>>& gone);

  Guarded<std::unordered_map<FileKey, std::shared_ptr<OneShot<bool>>>> deletions_;
  std::shared_ptr<Scavenger> scavenger_;
  TaskScope scope_;
  std::atomic<uint64_t> next_lock_id_ = 1;
  std::atomic<uint64_t> next_connection_number_ = 1;
};

}  // namespace braid::smb2
