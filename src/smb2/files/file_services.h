// FileServices: what requests on files work with. [MS-SMB2] 3.3.1.5 "Global", as far as it is about
// opens.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "auth/id_mapper.h"
#include "base/clock.h"
#include "base/guarded.h"
#include "config/config.h"
#include "filestate/file_table.h"
#include "runtime/one_shot.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "runtime/task_scope.h"
#include "runtime/turns.h"
#include "runtime/worker_pool.h"
#include "smb2/breaks/breaks.h"
#include "smb2/common/fd_budget.h"
#include "smb2/common/time_histogram.h"
#include "smb2/notify/notify_hub.h"
#include "smb2/opens/create_reservations.h"
#include "smb2/opens/open.h"
#include "smb2/opens/open_table.h"
#include "smb2/security/descriptor_store.h"
#include "smb2/sessions/session.h"
#include "smb2/shares/live_settings.h"

namespace braid::smb2 {

class AppInstances;
class AuditLog;
class DeletionNews;
class LocalGuarding;
class LocalWatching;
class OpenClaims;
class OtherWorkers;
class PersistentHandles;

// What becomes of the opens of a session that ends. [MS-SMB2] 3.3.5.6 (LOGOFF), 3.3.7.1 (loss of
// the connection) and 3.3.5.5.3 (PreviousSessionId) keep those that were promised to be.
enum class DurableOpens : uint8_t { kKept, kClosed };

// Owned by the Server, whose connections end before it. Thread: any.
class FileServices {
 public:
  struct Parts {
    const Clock& clock;
    WorkerPool& pool;
    Reactor& timers;
    const auth::IdMapper& ids;
    const LiveSettings& settings;
    const SessionTable& sessions;
    const ClientTable& clients;
    config::BreakRetry break_retry;
    // A client that asks for an open of a server that has ended must not find another one: by
    // chance, less than 2^43.
    uint64_t first_file_id = 1;
    size_t descriptors_max;  // RLIMIT_NOFILE; fd_budget.h divides it
    OtherWorkers& workers;
    std::function<bool(pid_t)> is_worker;  // NotifyHub's
    AuditLog* audit = nullptr;             // null: there is none
  };
  explicit FileServices(const Parts& parts);
  ~FileServices();

  const Clock& clock;
  // For files; there by a Seat, which says whose turn it is.
  WorkerPool& pool;
  const auth::IdMapper& ids;
  const LiveSettings& settings;
  AuditLog* const audit;
  CommandTimes command_times;

  OpenTable open_table;
  CreateReservations create_reservations{open_table};
  FileIdSource file_ids;
  FdBudget fds;
  filestate::LockId next_lock_id() { return {next_lock_id_.fetch_add(1)}; }
  Breaks breaks;
  DescriptorStore descriptors;
  // Of each file, a WRITE that may wait for the disk. File systems let one at a time into a file,
  // and threads that stand before it burn as much CPU as the one inside.
  Turns<FileKey> writers;
  // Of each file, a LOCK or UNLOCK of more ranges than fit into one turn of a reactor.
  Turns<FileKey, Executor> long_locks;
  NotifyHub notify;
  filestate::FileTable file_table;
  // Whether any directory lease was ever granted: without, a CLOSE need not look up its directory.
  bool has_directory_leases() const { return directory_leases_ != 0; }
  void granted_directory_lease();

  // What is asked of all workers about opens.
  const std::unique_ptr<OpenClaims> open_claims;
  const std::unique_ptr<AppInstances> app_instances;
  const std::unique_ptr<PersistentHandles> persistent;
  // For shares with local_access = "strict".
  const std::unique_ptr<LocalGuarding> local_guarding;
  // For those with "notify".
  const std::unique_ptr<LocalWatching> local_watching;

  // Runs it until the Server stops, which waits for it.
  void spawn(Task<void> task) { scope_.spawn(std::move(task)); }
  void wait() { scope_.wait(); }
  // Until `end` at most. False: something runs still.
  bool wait_until(std::chrono::steady_clock::time_point end) { return scope_.wait_until(end); }
  // The last that is spawned: nothing is done by time any more.
  Task<void> end_timers();

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
  // The same, or what another worker has of it: `by` is who is at it. Never null; set to false when
  // there is no room for asking, which is STATUS_INSUFFICIENT_RESOURCES.
  std::shared_ptr<OneShot<bool>> deletion_of(const FileKey& file, store::WorkerTag by);
  // There is one until the last copy of what this returns is gone, and `held` with it.
  std::shared_ptr<const void> announce_until(const FileKey& file, std::shared_ptr<const void> held);

  // [MS-SMB2] 3.3.6.2 and 3.3.6.4: closes what nobody came back for in time. A timer does it;
  // arm_scavenger() sees to it that there is one, tests call scavenge_opens().
  void scavenge_opens();
  void arm_scavenger();
  // Closes all that wait for their clients, but for the persistent ones, which wait for the next
  // life of this server. REQUIRES: nobody can come back.
  void close_disconnected();
  // Whether a handle log has it, for the next life of this server.
  static bool is_recorded(const PreservedOpen& open);
  // Until arm_scavenger() after resume_scavenger() nothing is closed by time.
  void pause_scavenger() { scavenger_->stopped = true; }
  void resume_scavenger() { scavenger_->stopped = false; }

 private:
  // Thread: the reactor it runs on, but for `stopped`.
  struct Scavenger {
    explicit Scavenger(Reactor& reactor) : timer(reactor) {}
    Timer timer;
    std::atomic<bool> stopped = false;
  };

  // BreakSink::purged, by way of Breaks.
  void purged(const filestate::OpenRef& ref, filestate::CloseDecision closed);
  void orphaned(filestate::OrphanedDeletion deletion);
  void end_deletion(const FileKey& file, const std::shared_ptr<OneShot<bool>>& gone);

  Reactor& timers_;
  OtherWorkers& workers_;
  std::atomic<uint64_t> own_directory_leases_ = 0;
  const std::atomic<uint64_t>& directory_leases_;  // those, or what all workers count
  const std::unique_ptr<DeletionNews> deletion_news_;
  Guarded<std::unordered_map<FileKey, std::shared_ptr<OneShot<bool>>>> deletions_;
  std::shared_ptr<Scavenger> scavenger_;
  TaskScope scope_;
  std::atomic<uint64_t> next_lock_id_ = 1;
};

}  // namespace braid::smb2
