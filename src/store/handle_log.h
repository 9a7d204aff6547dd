// HandleLog: what has to outlive the server about its opens, on the share's own disk.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"
#include "runtime/one_shot.h"
#include "runtime/task.h"
#include "runtime/task_scope.h"
#include "runtime/worker_pool.h"
#include "store/compacting_log.h"
#include "store/log_folder.h"
#include "store/record_store.h"

namespace braid::store {

// Counted since the log was begun, but for the first four, which are as they are now.
struct HandleLogMetrics {
  uint64_t records = 0;
  uint64_t live_bytes = 0;       // that the records take
  uint64_t file_bytes = 0;       // with what is not true any more
  std::optional<Error> failure;  // why nothing can be written
  uint64_t appends = 0;
  uint64_t appends_refused = 0;  // without room, or on a log that has failed
  uint64_t bytes = 0;            // of what was appended
  uint64_t commits = 0;
  std::chrono::nanoseconds commit_time{};  // of all of them
  std::chrono::nanoseconds commit_time_max{};
  // Commits that took less than 2^i microseconds, and not less than half of it; the last takes all
  // that were longer.
  std::array<uint64_t, 24> commit_times{};
  uint64_t compactions = 0;
  uint64_t compactions_failed = 0;
  uint64_t failures = 0;  // how often it failed
};

// An append-only log of values by key, opaque bytes both. Its first user is to be what preserves
// opens: what a client may rely on is in the log before the client is told.
//
//   const auto ticket = log.put(key, value, Urgency::kOrdinary);   // in its place among all
//   BRAID_CO_CHECK(co_await ticket.committed(executor));           // on the disk
//
// Group commit: one fdatasync serves all that wait for it, and what comes in the meantime waits
// for the next. Both happen on the pool; the caller never waits for a disk.
// Belongs to who serves the share; `folder`, `pool` and `clock` outlive it. Thread: any, with locks
// held up to those of the last rank. Life: stop() commits what there is.
class HandleLog {
 private:
  struct Batch;

 public:
  // Of one append. May be dropped, also before it is committed.
  class Ticket {
   public:
    // co_await: when the record is on the disk; continues on `executor` if it had to wait. An
    // error: ENOSPC when there is no room for it, then and there; otherwise the log has failed, and
    // after a crash the record may be there or not.
    auto committed(Executor& executor) const { return batch_->done.wait(executor); }
    // The same, if it is known by now.
    std::optional<Result<void>> result() const { return batch_->done.value(); }
    // Of the same commit.
    friend bool operator==(const Ticket&, const Ticket&) = default;

   private:
    friend class HandleLog;
    explicit Ticket(std::shared_ptr<Batch> batch) : batch_(std::move(batch)) {}
    std::shared_ptr<Batch> batch_;
  };

  // Begins the log of `owner`, empty. What recover_log() found in older ones is put into it first,
  // then they are removed, and only then does anything change: an erasure leaves no trace for ever,
  // and an older log would bring the record back. `kin`: of new_salt(). Thread: one that may wait
  // for the disk.
  static Result<std::unique_ptr<HandleLog>> create(LogFolder& folder, const LogOwner& owner,
                                                   const LogLimits& limits, WorkerPool& pool,
                                                   WorkOwner work_owner,
                                                   const Clock& clock = system_clock(),
                                                   const std::optional<SipKey>& kin = {});
  ~HandleLog() { stop(); }

  // REQUIRES: a key of 1 to kLogKeyMax bytes, a value of at most kLogValueMax. Records of one key
  // come to the disk in the order of the calls.
  // Refused when all records would take more than LogLimits::live_max(), what waits counted; what
  // must not fail has a reserve.
  Ticket put(ByteView key, ByteView value, Urgency urgency);
  // Never refused for want of room. What is not there can be erased too. Refused because the log
  // has failed, it is done for all that: the record is not written again.
  Ticket erase(ByteView key);

  // Of what was appended before. Without an error the log can be written: what has failed is tried
  // again by the next append or flush(), so who appends nothing while it has failed asks this way.
  Ticket flush();

  // Waits until all is committed. REQUIRES: nothing is appended any more, and a thread that is not
  // the pool's.
  void stop() { scope_.wait(); }

  const std::string& name() const { return name_; }
  HandleLogMetrics metrics() const;

 private:
  // What is written together, or (of a flush) nothing.
  struct Batch {
    std::vector<LogChange> changes;
    uint64_t bytes = 0;
    uint64_t put_bytes = 0;
    OneShot<Result<void>> done;
  };
  struct Waiting {
    std::deque<std::shared_ptr<Batch>> batches;
    uint64_t put_bytes = 0;  // that are not in metrics.live_bytes yet
    bool is_running = false;
    HandleLogMetrics metrics;
  };

  HandleLog(std::unique_ptr<CompactingLog> log, const LogLimits& limits, WorkerPool& pool,
            WorkOwner work_owner, const Clock& clock);
  Ticket append(std::optional<LogChange> change, uint64_t live_max);
  Task<void> run();
  Task<void> make_way(uint64_t bytes);
  std::shared_ptr<Batch> take_batch();
  void commit(Batch& batch);
  bool ends();
  void update_state(HandleLogMetrics& metrics) const;

  const LogLimits limits_;
  const Clock& clock_;
  const std::unique_ptr<CompactingLog> log_;  // run()'s
  const std::string name_;
  WorkerPool::Seat seat_;  // run()'s
  Guarded<Waiting> waiting_;
  TaskScope scope_;
};

}  // namespace braid::store
