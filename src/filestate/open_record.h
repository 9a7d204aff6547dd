// What filestate keeps for each open, each lease and each thing a break may take away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

#include "filestate/lock_sequences.h"
#include "filestate/types.h"

namespace braid::filestate {

struct Lease;
struct Link;
struct OpenRecord;

// Of a thing that is in no record, since there is one worker only.
inline constexpr uint32_t kNoPart = std::numeric_limits<uint32_t>::max();

// Caching that somebody holds: a lease, or the oplock of one open. Exactly one of `lease` and
// `open` is set. It is in its file's list of holders while `state` is not none.
struct Holder {
  Caching state = Caching::kNone;  // while breaking: as before, until acknowledged
  bool breaking = false;
  // A break that took write caching away. Until it has reached its end, every open waits for it,
  // also those that only a later step of the same break would be in the way of. [MS-FSA] 2.1.1.10,
  // the EXCLUSIVE flag beside BREAK_TO_....
  bool exclusive_break = false;
  Caching break_to = Caching::kNone;  // what the client was last asked to go down to
  Caching required = Caching::kNone;  // the least that was demanded since; a subset of break_to
  uint64_t break_serial = 0;
  // Of a break: its holder's client is away, and is told when it is back. [MS-SMB2] 3.3.1.12,
  // Lease.BreakNotification.
  bool is_owed = false;
  Lease* lease = nullptr;
  OpenRecord* open = nullptr;
  size_t holder_slot = kNotListed;

  static constexpr size_t kNotListed = std::numeric_limits<size_t>::max();
  bool is_listed() const { return holder_slot != kNotListed; }
};

// Lease, [MS-SMB2] 3.3.1.12 "Per Lease". Lives as long as an open of the file refers to it.
struct Lease {
  LeaseId id;
  Holder holder;
  uint8_t version = 1;
  uint16_t epoch{};  // of version 2
  std::optional<LeaseKey> parent_key;
  uint32_t opens = 0;
  uint32_t data_opens = 0;       // of them, that are no stat opens
  uint32_t connected_opens = 0;  // of them, with a client behind them
  OpenToken last_open;           // the latest of them
  Account account{};             // that of who opened it first
  uint32_t part = kNoPart;
  size_t slot{};

  const LeaseId& key() const { return id; }
};

struct OpenRecord {
  OpenToken token;
  // FileId.Persistent: the first token it had. It has another one since another worker took it.
  uint64_t persistent_id{};
  ClientGuid client;
  UserId user;
  SessionId session;
  Account account{};
  uint32_t access{};
  uint32_t share{};
  bool is_directory{};
  bool delete_on_close{};
  Deleter deleter;                // with whose rights that is done
  bool deletes_by_posix = false;  // whatever it deletes: see DeleteSemantics
  bool disconnected = false;
  Durability durability = Durability::kNone;
  // Told that its level II oplock ended, which wants no acknowledgement; one that comes all the
  // same is a breach of the protocol and not of the open's state.
  bool told_none = false;
  OplockLevel oplock = OplockLevel::kNone;  // kLease with `lease`
  Holder holder;                            // of the oplock
  Lease* lease = nullptr;
  Link* link = nullptr;                           // never null once it is registered
  std::unique_ptr<LockSequences> lock_sequences;  // made at the first LOCK that carries one
  uint32_t part = kNoPart;
  size_t slot{};
  size_t disconnected_slot{};  // of those without a client

  OpenToken key() const { return token; }
};

// A LOCK that waits for a break; done when that ends, since its answer is all its client awaits.
struct PendingLock {
  std::vector<LockRange> ranges;
  bool fail_immediately{};
  LockId id;
  std::optional<LockSequence> sequence;
};

// Who is told to ask again when a break has ended.
struct Waiter {
  OpenToken token;
  Completion::Kind kind{};
  std::unique_ptr<PendingLock> lock;  // with kLock
  Account account{};
  uint64_t order{};  // of all that wait for the file; larger for who came later
  uint32_t part = kNoPart;
  size_t slot{};

  uint64_t key() const { return order; }
};

}  // namespace braid::filestate
