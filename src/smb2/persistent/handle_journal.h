// HandleJournal: the persistent opens of a share, in the handle log of one worker.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/sip_hash.h"
#include "runtime/task.h"
#include "runtime/worker_pool.h"
#include "smb2/persistent/persistent_open.h"
#include "store/handle_log.h"
#include "store/log_folder.h"
#include "store/log_reader.h"

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
  // With the record it was read from, in Begun::records, and the state of its lease.
  struct FoundOpen : PersistentOpen {
    std::string_view record;
  };
  // Of a server with several workers.
  struct Workers {
    SipKey kin;  // that all of them know, and nobody else: store::new_salt()
    std::function<size_t(const ClientGuid&)> worker_of;  // whose its clients are
  };
  struct Where {
    store::LogFolder& folder;  // outlives it
    store::ShareId share;
    store::ServerId server;
    uint32_t worker = 0;
    std::optional<Workers> workers{};  // nothing: it is the only one
    // Called, if it is there, with what was found while that is being written.
    std::function<void(std::vector<FoundOpen>&)> meanwhile{};
    // Called before a log that somebody else has is asked for again: of a server that was killed a
    // moment ago the kernel closes it with its last thread. False: no more, it is served elsewhere.
    std::function<bool()> wait_for_owner{};
  };

  struct Begun;
  // Reads the logs of writers that have ended, begins one with what they had, and removes them.
  // Whether one has ended LogFolder::claim() tells. Continues on the pool.
  //
  // Each worker writes what its own clients have open. The first that comes finds none of another
  // that lives: it reads all logs, however many workers wrote them, and writes a log for each of
  // the others that is to have something, which that reads as one of its own earlier lives when it
  // comes. Who comes later reads its own logs only. REQUIRES, with several: the caller has
  // LogFolder::alone().
  static Task<Begun> begin(Where where, store::LogLimits limits, WorkerPool& pool,
                           WorkOwner work_owner, const Clock& clock = system_clock());

  // On the disk when all are.
  using Tickets = std::vector<store::HandleLog::Ticket>;
  // Empty: that is what was put last, and its tickets were given for this open. Nothing: it is too
  // large for a record, and the one before is still true. When a ticket fails for an open that is
  // new, erase() it; else forget().
  std::optional<Tickets> put(const PersistentOpen& open, store::Urgency urgency);
  // Whether this user may have so many bytes more in the log, which are others' as well: he may
  // have three quarters of what they leave of it. For what is granted: what must not fail is put
  // anyway.
  bool has_room(filestate::UserId user, uint64_t bytes) const;
  // What was put for the open did not get there: the next put() writes it, whatever it was.
  void forget(uint64_t persistent_id);
  // The open has ended, and its lease, if it was the last with it.
  Tickets erase(uint64_t persistent_id);

  store::HandleLogMetrics metrics() const { return log_->metrics(); }
  const std::string& name() const { return log_->name(); }

 private:
  HandleJournal(std::unique_ptr<store::HandleLog> log, const store::LogLimits& limits)
      : bytes_max_(limits.live_max()), log_(std::move(log)) {}

  using LeaseRecordKey = std::array<uint8_t, kLeaseRecordKeySize>;
  struct HashOfKey {
    size_t operator()(const LeaseRecordKey& key) const {
      return std::hash<std::string_view>{}(as_text(key));
    }
  };
  // A short name of what was put last, which is in the memory of the log already; kNothing for what
  // is to be put in any case. Of two values nobody can make one name, and by chance two have one
  // once in 2^64.
  using Mark = uint64_t;
  static constexpr Mark kNothing = 0;
  struct LeaseRecord {
    size_t opens = 0;  // that have the lease
    Mark last = kNothing;
    std::optional<store::HandleLog::Ticket> ticket;  // of `last`
    uint64_t puts = 0;
  };
  using Leases = std::unordered_map<LeaseRecordKey, LeaseRecord, HashOfKey>;
  struct OpenRecord {
    Leases::value_type* lease = nullptr;  // null: it has none
    Mark last = kNothing;
    uint64_t lease_puts = 0;  // up to which it was given the tickets of its lease
    filestate::UserId user;
    uint64_t bytes = 0;  // of its record
  };
  void count(OpenRecord& record, uint64_t bytes);
  Mark mark_of(ByteView value) const;
  Tickets put(const PersistentOpen& open, ByteView value, store::Urgency urgency);
  void put_lease(Leases::value_type& lease, ByteView value, store::Urgency urgency);
  const SipKey mark_key_ = random_sip_key();
  Leases leases_;
  std::unordered_map<uint64_t, OpenRecord> opens_;
  const uint64_t bytes_max_;
  uint64_t bytes_ = 0;  // of all records of opens
  std::unordered_map<filestate::UserId, uint64_t> bytes_of_;
  const std::unique_ptr<store::HandleLog> log_;
};

struct HandleJournal::Begun {
  // As they were found. They go together with `opens`, since what takes the place of a few of them
  // meanwhile would keep the memory of all.
  std::map<std::string, store::RecoveredRecord, std::less<>> records;
  // A line for the log of the server: the share must not be served, and old logs are as they were.
  // There is one of a newer version, or what was found cannot be written, so that nothing that
  // comes now could be. Empty: all is well.
  std::string failure;
  std::unique_ptr<HandleJournal> journal;  // maybe also with a failure
  // The logs for others, which read them once these ended.
  std::vector<std::unique_ptr<HandleJournal>> parcels;
  std::vector<FoundOpen> opens;         // what was found, in the order of their FileIds
  std::vector<FoundOpen> of_others;     // the same, of other workers' clients
  std::vector<std::string> complaints;  // what could not be read: lines for the log of the server
  std::vector<std::string> taken_over;  // the logs of other servers that were read
};

}  // namespace braid::smb2
