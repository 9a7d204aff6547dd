// HandleJournal: the persistent opens of a share, in the handle log of one worker.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "runtime/task.h"
#include "runtime/worker_pool.h"
#include "smb2/persistent/persistent_open.h"
#include "store/handle_log.h"
#include "store/log_folder.h"

namespace braid::smb2 {

// A record for each open and one for each lease they have, so that a lease that changes is written
// once, however many opens have it: it is of all of them, and each is given its ticket. What was
// written for an open is on the disk when each ticket of put() or erase() says so.
//
// Owned by who serves the share. Thread: one at a time, but for metrics(). Who calls it from
// several has a lock around the question what an open is now and put(): what is written last has to
// be what is true last. Life: ends on a thread that is not the pool's, for which it waits.
class HandleJournal {
 public:
  struct Where {
    store::LogFolder& folder;  // outlives it
    store::ShareId share;
    store::ServerId server;
    uint32_t worker = 0;
    // Whether the writer of such a log has ended, which nobody can see from the log. This worker's
    // earlier lives have.
    std::function<bool(const store::LogOwner&)> has_ended;
  };

  struct Begun;
  // Reads the logs of writers that have ended, begins one with what they had, and removes them.
  // Continues on the pool.
  static Task<Begun> begin(Where where, store::LogLimits limits, WorkerPool& pool,
                           WorkOwner work_owner, const Clock& clock = system_clock());

  // On the disk when all are.
  using Tickets = std::vector<store::HandleLog::Ticket>;
  // Empty: that is what was put last, and its tickets were given for this open. Nothing: it is too
  // large for a record, and the one before is still true. When a ticket fails for an open that is
  // new, erase() it; else forget().
  std::optional<Tickets> put(const PersistentOpen& open, store::Urgency urgency);
  // What was put for the open did not get there: the next put() writes it, whatever it was.
  void forget(uint64_t persistent_id);
  // The open has ended, and its lease, if it was the last with it.
  Tickets erase(uint64_t persistent_id);

  store::HandleLogMetrics metrics() const { return log_->metrics(); }
  const std::string& name() const { return log_->name(); }

 private:
  explicit HandleJournal(std::unique_ptr<store::HandleLog> log) : log_(std::move(log)) {}

  // With what was put last, empty for what is to be put in any case.
  struct LeaseRecord {
    size_t opens = 0;  // that have the lease
    Bytes last;
    std::optional<store::HandleLog::Ticket> ticket;  // of `last`
    uint64_t puts = 0;
  };
  struct OpenRecord {
    std::string lease_key;  // empty: it has none
    Bytes last;
    uint64_t lease_puts = 0;  // up to which it was given the tickets of its lease
  };
  void put_lease(LeaseRecord& lease, const std::string& key, Bytes value, store::Urgency urgency);
  std::unordered_map<std::string, LeaseRecord> leases_;
  std::unordered_map<uint64_t, OpenRecord> opens_;
  const std::unique_ptr<store::HandleLog> log_;
};

struct HandleJournal::Begun {
  // A line for the log of the server: the share must not be served, and old logs are as they were.
  // There is one of a newer version, or what was found cannot be written, so that nothing that
  // comes now could be. Empty: all is well.
  std::string failure;
  std::unique_ptr<HandleJournal> journal;  // maybe also with a failure
  std::vector<PersistentOpen> opens;       // what was found, in the order of their FileIds
  std::vector<std::string> complaints;  // what could not be read: lines for the log of the server
};

}  // namespace braid::smb2
