// The events that go into filestate and the decisions, breaks and completions that come out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/nt_status.h"
#include "filestate/caching.h"
#include "filestate/deleter.h"
#include "store/record_store.h"
#include "store/worker_tag.h"
#include "wire/smb2/access_mask.h"

namespace braid::filestate {

// Names one open: FileId.Volatile of the layer above. Unique among live and disconnected opens.
using OpenToken = Id<struct OpenTokenTag, uint64_t>;

// Names one waiting LOCK request among those of one open; the caller chooses it (its AsyncId, say).
using LockId = Id<struct LockIdTag, uint64_t>;

// Where an open is found: one hash look-up and no second index. The layer above keeps it in its
// Open from the CREATE to the CLOSE.
struct OpenRef {
  FileKey file{};
  OpenToken token;
  constexpr auto operator<=>(const OpenRef&) const = default;
};

// What decides here, without its prefix. Masks reach filestate with their generic and
// MAXIMUM_ALLOWED bits already mapped to these.
inline constexpr wire::AccessMask kFileReadData = wire::Access::kFileReadData;
inline constexpr wire::AccessMask kFileWriteData = wire::Access::kFileWriteData;
inline constexpr wire::AccessMask kFileAppendData = wire::Access::kFileAppendData;
inline constexpr wire::AccessMask kFileExecute = wire::Access::kFileExecute;
inline constexpr wire::AccessMask kFileReadAttributes = wire::Access::kFileReadAttributes;
inline constexpr wire::AccessMask kFileWriteAttributes = wire::Access::kFileWriteAttributes;
inline constexpr wire::AccessMask kDelete = wire::Access::kDelete;
inline constexpr wire::AccessMask kReadControl = wire::Access::kReadControl;
inline constexpr wire::AccessMask kSynchronize = wire::Access::kSynchronize;

// [MS-SMB2] 2.2.13 "SMB2 CREATE Request", ShareAccess.
inline constexpr uint32_t kShareRead = 0x1;
inline constexpr uint32_t kShareWrite = 0x2;
inline constexpr uint32_t kShareDelete = 0x4;

// A path below the share root, shared by all who hold the file open so that opening copies none.
using SharedPath = std::shared_ptr<const std::string>;

// Which user: the same for all sessions of one, and for nobody else.
using UserId = Id<struct UserIdTag, uint64_t>;

// [MS-SMB2] 3.3.1.11 has a table of leases for each ClientGuid. That is no secret and may be
// anybody's, so a lease is of a user of the client, whose sessions alone may share it, hear of its
// breaks and answer them.
struct LeaseId {
  ClientGuid client;
  LeaseKey key;
  UserId user{};
  constexpr auto operator<=>(const LeaseId&) const = default;
};

struct LeaseRequest {
  LeaseKey key;
  Caching state = Caching::kNone;
  uint8_t version = 1;                   // 1 or 2: which create context carried it
  uint16_t epoch = 0;                    // version 2 only
  std::optional<LeaseKey> parent_key{};  // version 2 with SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET
};

// What an open is when its connection is lost, [MS-SMB2] 3.3.7.1 "Handling Loss of a Connection".
enum class Durability : uint8_t {
  kNone,       // closed
  kDurable,    // kept with its handle caching, and given up for who is in the way
  kResilient,  // kept whatever it holds; others have to do without, and only its caching ends
  kPersistent,
};

// Whose share of the memory that workers have in common an open takes; a user's number, say.
using store::Account;

struct OpenRequest {
  OpenToken token;
  ClientGuid client_guid;
  UserId user{};  // whose session it is
  SessionId session_id;
  Account account{};
  uint32_t granted_access = 0;
  uint32_t share_access = 0;
  // The disposition will truncate or replace a file that exists (SUPERSEDE, OVERWRITE and, when
  // the file exists, OVERWRITE_IF).
  bool overwrites = false;
  bool is_directory = false;
  bool delete_on_close = false;
  Deleter deleter{};  // with whose rights that is done
  // What the disposition needs besides: it meets share modes like what is granted, and is not.
  uint32_t needed_access = 0;
  // Of the stream, as it is once the disposition is carried out: byte-range locks that begin behind
  // it stand in no way of caching.
  uint64_t allocation_size = 0;
  OplockLevel requested_oplock = OplockLevel::kNone;  // kLease: `lease` says which
  std::optional<LeaseRequest> lease;                  // looked at only with kLease
  SharedPath path;  // of the file, also when a stream is opened: the name it is opened by
  // The file has no other name. A directory never has.
  bool is_sole_name = true;
  // It is being made: nobody else knows of it, or the name is kept by FileTable::begin_making().
  bool is_new = false;
};

// The lease that it asks for. REQUIRES: request.lease.
inline LeaseId lease_of(const OpenRequest& request) {
  return {.client = request.client_guid, .key = request.lease->key, .user = request.user};
}

// The lease as the response create context has to say it. `version` is that of the lease, which
// may differ from the request's when the lease existed: answer with that context.
struct LeaseGrant {
  LeaseKey key;
  Caching state = Caching::kNone;
  bool break_in_progress = false;  // SMB2_LEASE_FLAG_BREAK_IN_PROGRESS
  uint8_t version = 1;
  uint16_t epoch = 0;
  std::optional<LeaseKey> parent_key{};
};

enum class Verdict : uint8_t {
  kGo,    // done, or: proceed with the operation
  kWait,  // registered as a waiter; a Completion will say when to ask again
  kFail,  // `status` says why; nothing has changed
};

struct Decision {
  Verdict verdict = Verdict::kGo;
  NtStatus status = NtStatus::kSuccess;
  static constexpr Decision go() { return {}; }
  static constexpr Decision wait() { return {Verdict::kWait, NtStatus::kPending}; }
  static constexpr Decision fail(NtStatus status) { return {Verdict::kFail, status}; }
};

struct OpenDecision {
  Decision decision;
  // With kGo: as what the open is known from now on. For a stream that was renamed while it was
  // open it is not what its name makes.
  FileKey file{};
  OplockLevel oplock = OplockLevel::kNone;  // kLease when a lease was asked for and is answered
  std::optional<LeaseGrant> lease;
  // What the lease had before this open: all that its client knows of.
  Caching before = Caching::kNone;
  bool sharing_violation = false;  // with kWait: and nothing else is waited for, as far as is known
  // With DELETE_PENDING: a disconnected open was given up for this one or another newcomer, and its
  // worker deletes the file because of that. Ask again when it is gone. Or what has the name is
  // just being made, and not known here yet.
  bool deletes_purged = false;
  store::WorkerTag deleted_by{};
  FileKey waits_for{};  // with that: the file, or FileTable::key_of_name()
};

// Names one break notification that wants an acknowledgement, and so one timer.
struct BreakId {
  FileKey file{};
  uint64_t serial = 0;
  constexpr auto operator<=>(const BreakId&) const = default;
};

// Tell a client that its caching shrinks: [MS-SMB2] 2.2.23 "SMB2 OPLOCK_BREAK Notification".
struct Break {
  // With ack_required: arm the break timer (35 s; the clock is the caller's) and feed the id back
  // to FileTable::break_timed_out. Otherwise the state has changed already and nothing is awaited.
  BreakId id;
  bool ack_required = false;

  // The open that holds the oplock, or the latest that has the lease: which worker has to tell.
  OpenToken holder;

  // An oplock break: is_lease is false; `open` names the FileId, `new_level` the level to go to.
  // Send it on the channels of `session`.
  bool is_lease = false;
  OpenToken open;
  uint64_t persistent_id = 0;  // its FileId.Persistent
  SessionId session;
  OplockLevel new_level = OplockLevel::kNone;

  // A lease break: send it on any connection of `lease.client` with a session of `lease.user`.
  LeaseId lease;
  Caching current_state = Caching::kNone;
  Caching new_state = Caching::kNone;
  uint16_t new_epoch = 0;  // 0 for a version 1 lease
};

// Something that waited may go on.
struct Completion {
  enum class Kind : uint8_t {
    kRetryOpen,       // call open() again with the same request
    kRetryOperation,  // call prepare() or set_delete_pending() again
    kLock,            // the LOCK request `lock` is over; `status` is its answer
  };
  Kind kind = Kind::kRetryOpen;
  OpenToken token{};
  LockId lock{};
  NtStatus status = NtStatus::kSuccess;
};

// What the end of an open leaves to do: [MS-FSA] 2.1.5.5, phases 2 and 3.
struct CloseResult {
  bool last_open = false;      // of the stream
  bool delete_stream = false;  // the last open of a named stream went, and it was to be deleted
  bool delete_link = false;    // the last open by this name went, and it was to be deleted
  bool unlink = false;         // the same by DeleteSemantics::kPosix, whoever else has it open
  SharedPath path{};           // that name, with any
  Deleters link_deleters{};    // with whose rights, with those
  Deleters stream_deleters{};
  bool deletes() const { return delete_stream || delete_link; }
};

// What an event made happen besides its own decision. Empty vectors cost nothing.
struct Outcome {
  std::vector<Break> breaks;
  std::vector<Completion> completions;
  // Disconnected opens given up to let others in. They are gone from filestate; the layer above
  // frees what it kept for them.
  struct Purged {
    OpenRef open;
    CloseResult left;
  };
  std::vector<Purged> purged;
  bool empty() const { return breaks.empty() && completions.empty() && purged.empty(); }
};

// When the name of a file goes whose delete is pending.
enum class DeleteSemantics : uint8_t {
  kLastClose,  // with the last open of the file
  kPosix,      // with the open that asked for it: Link.DeleteUsingPosixSemantics
};

// What an existing open is about to do, and so whose caching it ends. [MS-FSA] 2.1.4.12.
enum class Operation : uint8_t {
  kRead,         // ends others' write caching
  kFlush,        // the same
  kWrite,        // ends others' read and write caching; a zero-length write must not ask
  kSetSize,      // FileEndOfFileInformation, FileAllocationInformation: as kWrite
  kZeroData,     // FSCTL_SET_ZERO_DATA and other FSCTLs that change data: as kWrite
  kRename,       // FileRenameInformation, FileLinkInformation: ends others' handle caching
  kSetSecurity,  // the same, for leases only
};

// What a READ or WRITE, or what does the same by another name, is about to read or write.
struct IoRange {
  uint64_t offset = 0;
  uint64_t length = 0;
};

struct LockRange {
  uint64_t offset = 0;
  uint64_t length = 0;
  bool exclusive = false;  // not looked at by unlock
};

// Those of one open, in the order they were taken or asked for.
struct LocksOfOpen {
  std::vector<LockRange> held;
  std::vector<LockRange> waiting;
};

// [MS-SMB2] 2.2.26 "SMB2 LOCK Request": LockSequenceIndex 1..64 and LockSequenceNumber. Absent
// when the request must not be checked (dialect, index 0 or over 64, handle without resilience).
struct LockSequence {
  uint8_t index = 0;
  uint8_t number = 0;
  uint16_t channel_sequence = 0;  // of the request's header; the same for all before SMB 3
};

// A long list of ranges comes part by part, so that others get their turn between: which part of
// its request this is. The ranges of a part are no more than kRangesPerTurn.
struct LockPart {
  bool is_first = true;
  bool is_last = true;
  constexpr bool is_all() const { return is_first && is_last; }
};
// A fraction of a millisecond under the file's lock.
inline constexpr size_t kRangesPerTurn = 512;

struct CloseDecision {
  // The last handle went and a delete was pending: remove `file`, now. It is the closed open's own
  // stream, or the name by which it had its file open: others that the file has stay.
  bool delete_now = false;
  FileKey file{};
  bool stream_too = false;  // with the name goes the stream that was open
  SharedPath path{};  // of the file (for a stream, of the file it belongs to), as renamed since
  // With the rights of those who made it delete-pending, which were looked at then: whoever closes
  // last may have none. Empty where nobody said.
  Deleters link_deleters{};
  Deleters stream_deleters{};
  // Opens of what goes fail with DELETE_PENDING until the last copy of this is gone: keep it until
  // the name is removed, so that nobody opens what is about to vanish. Not to outlive the table.
  std::shared_ptr<const void> until_deleted{};
};

// A deletion that nobody makes, as the worker that was to has died.
struct OrphanedDeletion {
  FileKey of{};              // the file or stream that was open
  uint64_t stream_name = 0;  // FileKey::stream of what the stream that is to be removed is called
  CloseDecision closed{};
};

// Whether something may be taken away from a file: its name, its content, its streams.
struct ReplaceDecision {
  Decision decision;
  // With kFail: another worker, or this one, is just taking something, and is done soon: ask again.
  std::optional<store::WorkerTag> taken_by{};
  FileKey waits_for{};  // with that: the file, or FileTable::key_of_name()
  // With kGo: opens of the file wait until the last copy of this is gone. Keep it until what was
  // taken is gone, or it is clear that it will not be. Not to outlive the table.
  std::shared_ptr<const void> until_replaced{};
};

struct StreamsDecision : ReplaceDecision {
  std::vector<FileKey> free{};  // with kGo: those that nobody has open, and nobody else removes
};

struct OplockAck {
  NtStatus status = NtStatus::kSuccess;
  OplockLevel level = OplockLevel::kNone;  // for the response
};

struct LeaseAck {
  NtStatus status = NtStatus::kSuccess;
  Caching state = Caching::kNone;  // for the response
};

}  // namespace braid::filestate

template <>
struct std::hash<braid::filestate::LeaseId> {
  size_t operator()(const braid::filestate::LeaseId& id) const {
    return (std::hash<braid::ClientGuid>{}(id.client) + id.user.value) * 0x9e3779b97f4a7c15ULL ^
           std::hash<braid::LeaseKey>{}(id.key);
  }
};
