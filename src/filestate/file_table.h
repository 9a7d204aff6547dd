// Who has what open: the one table of all files in use, and the only door to filestate.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "filestate/break_sink.h"
#include "filestate/types.h"
#include "runtime/executor.h"
#include "runtime/task.h"
#include "store/worker_tag.h"

namespace braid::store {
class Group;
}

namespace braid::filestate {

struct OpenImage;
class Sleepers;

// A file of which other workers' clients have persistent opens.
struct PromisedElsewhere {
  FileKey file;
  std::vector<store::WorkerTag> workers;
};

// Share modes, oplocks, leases, byte-range locks and pending deletes of every file and stream,
// [MS-FSA] 2.1.4 and 2.1.5 and [MS-SMB2] 3.3.1.4; each file's rules are in FileState.
//
// A FileKey that comes from vfs says what a stream is called. What is said of an open goes by its
// OpenRef, with the key that open() gave for it: a stream has that for as long as it is open,
// whatever it is called, and no other has it meanwhile.
//
// The order of a CREATE: resolve the name and stat it; open(); on kWait answer STATUS_PENDING and
// ask again with the same request when BreakSink::completed brings kRetryOpen; on kGo open or
// truncate on disk, and close() if that fails. What the CREATE makes is here before anybody else
// meets it: open() comes before it has its name, or begin_making() before the one and the other.
//
// Owned by the server; outlives every open. Thread: any. A mutex per shard of files and one per
// shard of lease keys, taken in that order, none held while the sink is called. No call blocks on
// a client, and none reads a clock: the caller runs the break timers.
class FileTable {
 public:
  // With a `group` the files are shared with the other workers of it: every decision is the same as
  // if all opens had been made here, and what it means for an open of another worker is told to
  // that worker's sink. OpenTokens are then tagged numbers of this worker. The group outlives the
  // table and is started after it was made.
  // `keeping`: what of the files shared so stays in this process between two events; kNothing makes
  // every event begin with what the record says, for tests.
  enum class Keeping : uint8_t { kOwn, kNothing };
  explicit FileTable(BreakSink& sink, store::Group* group = nullptr,
                     Keeping keeping = Keeping::kOwn);
  ~FileTable();
  FileTable(const FileTable&) = delete;
  FileTable& operator=(const FileTable&) = delete;

  // Where the record of the file may be on another machine, an event waits for it, with its thread:
  // it may do so on a pool, but not on a reactor. is_spread(): it may be. fetch() has it come, and
  // returns on `executor`; for a moment after that no event of the file waits.
  bool is_spread() const;
  Task<void> fetch(FileKey file, Executor& executor) const;
  // The same for the file that has this lease.
  Task<void> fetch(LeaseId lease, Executor& executor) const;

  // STATUS_INVALID_PARAMETER if the client has bound this key to a file other than `file` (any
  // file when it does not exist yet). [MS-SMB2] 3.3.5.9.8. open() checks again.
  NtStatus check_lease_key(const LeaseId& lease, const std::optional<FileKey>& file) const;

  // kFail with SHARING_VIOLATION, DELETE_PENDING, INVALID_PARAMETER (lease key bound elsewhere),
  // FILE_NOT_AVAILABLE (held by a disconnected persistent open).
  OpenDecision open(const FileKey& file, const OpenRequest& request);
  // Before a CREATE gives something new the name `path`: until the last copy of this is gone, those
  // in any worker who open what has that name, or take it from it, are told to ask again; but not
  // OpenRequest::is_new. Keep it until open(), and as long as the new name may yet be taken back.
  // Null: too many are being made. Not to outlive the table.
  std::shared_ptr<const void> begin_making(std::string_view path);
  // What stands for such a name in OpenDecision::waits_for; no file has this key.
  FileKey key_of_name(std::string_view path) const;
  // For an open or operation that waits and was cancelled: no completion follows. False if it was
  // not waiting (any more); the completion is then on its way or has been seen.
  bool cancel_wait(const OpenRef& ref);
  // Ends the open, its locks and oplock; its waiting LOCK requests complete with RANGE_NOT_LOCKED.
  CloseDecision close(const OpenRef& ref);

  // Before a READ or WRITE, or what does the same by another name: ends others' caching as the
  // operation demands, and looks for their locks, in one look at the file. kWait: ask again at
  // kRetryOperation. kFail: FILE_LOCK_CONFLICT; FILE_CLOSED for an unknown ref. Where several
  // workers share the file its record is not asked as long as it has not changed and nothing has to
  // be taken from anybody.
  Decision begin_io(const OpenRef& ref, Operation operation, std::span<const IoRange> ranges);
  Decision begin_io(const OpenRef& ref, Operation operation, const IoRange& range) {
    return begin_io(ref, operation, {&range, 1});
  }
  // Whether it would say kGo and take nothing from anybody. Nothing changes by asking.
  bool is_unobstructed(const OpenRef& ref, Operation operation, const IoRange& range) const;
  // The same for what meets no locks.
  Decision prepare(const OpenRef& ref, Operation operation) {
    return begin_io(ref, operation, std::span<const IoRange>());
  }
  // FileDispositionInformation, [MS-FSA] 2.1.5.15.3. The caller has checked access, READONLY and
  // that a directory is empty. May wait for others' handle caching as prepare() does. The rights of
  // `deleter` are among those with which it is removed, whoever closes last: CloseDecision. kFail
  // also with INSUFFICIENT_RESOURCES.
  Decision set_delete_pending(const OpenRef& ref, bool delete_pending,
                              DeleteSemantics semantics = DeleteSemantics::kLastClose,
                              const Deleter& deleter = {});
  // What the close of an open with FILE_DELETE_ON_CLOSE will do, [MS-FSCC] 2.4.12. kFail:
  // NOT_SUPPORTED for an open without.
  Decision set_delete_on_close(const OpenRef& ref, bool delete_on_close, DeleteSemantics semantics);
  // The stream's deletion, or that of the name by which the open was opened.
  bool is_delete_pending(const OpenRef& ref) const;
  // Of this very name of the file, if it is open by it.
  bool is_delete_pending(const FileKey& file, std::string_view path) const;
  // How many of its names are to be deleted.
  uint32_t pending_links(const FileKey& file) const;

  // STATUS_SHARING_VIOLATION if another open of the file would not allow `access` (of the kFile...,
  // kDelete constants): what renaming an open file, or onto one, has to ask.
  NtStatus check_sharing(const OpenRef& ref, uint32_t access) const;
  // For tests: it may be otherwise when the answer is there. Whoever is about to take something
  // away says so with one of the begin_...() below, which refuse what is open.
  bool is_open(const FileKey& file) const;
  // The file (or this stream of it) by another open.
  bool is_open_beside(const OpenRef& ref) const;
  // What a file loses is taken from it here first: refused to who may not have it, and until it is
  // gone nobody opens the file or a stream of it, and who comes asks again. kFail with `taken_by`:
  // somebody else is at it and is to be waited for.
  //
  // Before a rename or a link by `ref` takes the name of `target`, [MS-FSA] 2.1.5.15.12: ends the
  // caching of all who have it or a stream of it open, so that what they keep open for themselves
  // only is closed. kWait: ask again at kRetryOperation of `ref`. kFail: ACCESS_DENIED (it is open,
  // or with kPosix open to somebody who does not share deletion, or a stream of it is open),
  // DELETE_PENDING (that name is to be deleted; or `taken_by`: somebody is just taking it, or
  // making what has it).
  ReplaceDecision begin_replace(const FileKey& target, std::string_view path, const OpenRef& ref,
                                DeleteSemantics semantics);
  // Before the stream of `ref` is called `name`, [MS-FSA] 2.1.5.15.12.1. kFail: ACCESS_DENIED (it
  // is to be deleted), SHARING_VIOLATION (the stream is open in another worker, where its name is
  // known, too), INVALID_PARAMETER (a stream of that name is open), DELETE_PENDING (one is just
  // being removed, or `taken_by`).
  ReplaceDecision begin_stream_rename(const OpenRef& ref, const FileKey& name);
  // Before another file takes the name of `ref`, as a reparse point does. kFail: DELETE_PENDING (it
  // is to be deleted, or `taken_by`), ACCESS_DENIED (it is, when `ref` is closed),
  // SHARING_VIOLATION (the file, or a stream of it, has another open).
  ReplaceDecision begin_exchange(const OpenRef& ref);
  // Before `ref`, which overwrites the file, or has just made its one stream in vain, removes
  // `streams`: those that are `free`, open to nobody but `ref`, may go. kFail: DELETE_PENDING with
  // `taken_by`.
  StreamsDecision begin_stream_removal(const OpenRef& ref, std::span<const FileKey> streams);
  // It is called so now, for all who have it open and all who open it. REQUIRES: between the
  // beginning and the end of that.
  void stream_renamed(const OpenRef& ref, const FileKey& name);
  // Is it open with any of these rights? A directory open for DELETE keeps its children's names.
  bool is_open_with(const FileKey& file, uint32_t access) const;
  // Whether the file can be known by a name of so many bytes. Before renamed(), which cannot fail.
  bool has_room_for_name(const OpenRef& ref, size_t bytes) const;
  // The name by which this open and maybe others have the file open is another one now. Opens keep
  // their FileKey.
  void renamed(const OpenRef& ref, SharedPath new_path);
  // This name of the file is gone from the disk though it may be open by it: those opens go on
  // without one, and it may be made anew.
  void unlinked(const FileKey& file, std::string_view path);
  // Counts the names that clients took from files or moved, through all workers. A CREATE has what
  // its name leads to if this is the same before it looks the name up and after open(); otherwise
  // it has to look whether the name is still that of the file.
  uint64_t name_changes() const;
  // The name by which it was opened, as far as it is known here; null if that is gone. What local
  // programs rename the kernel knows: smb2/files/open_name.h.
  SharedPath path_of(const OpenRef& ref) const;
  // What `closed` was to remove could not be removed: the name stays, is no longer to be deleted,
  // and may be opened again once `until_deleted` is gone.
  void not_removed(const CloseDecision& closed, const FileKey& of);
  // Is anything open below this directory ("a\b" finds "a\b\c")? Walks every open file, one shard
  // at a time: only for renaming a directory, which Windows refuses then.
  bool any_open_below(std::string_view directory) const;
  // Before that: ends the handle caching of everything open below, so that clients close what they
  // keep open for themselves only. kWait: ask again at kRetryOperation of `directory_open`, which
  // waits for every file of `waits_at` then.
  Decision break_handles_below(std::string_view directory, const OpenRef& directory_open,
                               std::vector<FileKey>& waits_at);
  // The same for those of one file or directory, before `ref` changes the names in it.
  Decision break_handles(const FileKey& file, const OpenRef& ref);

  // A child of `directory` was added, removed, renamed or changed by an open that named `actor` as
  // the lease of its directory: other directory leases end. [MS-FSA] 2.1.4.12 with PARENT_OBJECT.
  // Never waits.
  void child_changed(const FileKey& directory, const std::optional<LeaseId>& actor);
  // The same for an open of a child: takes the lease from the child's own open.
  void child_changed(const FileKey& directory, const OpenRef& child);

  // [MS-SMB2] 3.3.5.14.2. All ranges or none. kFail: LOCK_NOT_GRANTED, INVALID_LOCK_RANGE. kWait: a
  // kLock completion will bring the answer, also when it is the end of a break that is waited for.
  // A repeated `sequence` is kGo.
  Decision lock(const OpenRef& ref, std::span<const LockRange> ranges, bool fail_immediately,
                LockId id, const std::optional<LockSequence>& sequence = {});
  // The same for a list that comes in parts, which must not wait for a lock: kWait is for a break,
  // and ends with kRetryOperation. Of those that were taken before one that failed, give_back() is
  // the caller's. `is_repeated`: all of it was done before, so nothing is left to do.
  Decision lock_part(const OpenRef& ref, std::span<const LockRange> ranges,
                     const std::optional<LockSequence>& sequence, LockPart part, bool& is_repeated);
  // Ends these very locks, as far as they are held.
  void give_back(const OpenRef& ref, std::span<const LockRange> ranges);
  // [MS-SMB2] 3.3.5.14.1. In order; stops at the first that is not held (RANGE_NOT_LOCKED), and
  // those before it stay unlocked.
  NtStatus unlock(const OpenRef& ref, std::span<const LockRange> ranges,
                  const std::optional<LockSequence>& sequence = {});
  NtStatus unlock_part(const OpenRef& ref, std::span<const LockRange> ranges,
                       const std::optional<LockSequence>& sequence, LockPart part,
                       bool& is_repeated);
  // True: it was waiting and is forgotten; the caller answers CANCELLED.
  bool cancel_lock(const OpenRef& ref, LockId id);
  // STATUS_FILE_LOCK_CONFLICT if what began with begin_io() meets another open's lock by now, as
  // before each piece of what is done in pieces. [MS-FSA] 2.1.4.10.
  NtStatus check_io(const OpenRef& ref, uint64_t offset, uint64_t length, bool write) const;

  // [MS-SMB2] 3.3.5.22.1: INVALID_DEVICE_STATE, INVALID_PARAMETER, INVALID_OPLOCK_PROTOCOL,
  // FILE_CLOSED.
  OplockAck ack_oplock(const OpenRef& ref, OplockLevel level);
  // [MS-SMB2] 3.3.5.22.2: OBJECT_NAME_NOT_FOUND, UNSUCCESSFUL, REQUEST_NOT_ACCEPTED.
  LeaseAck ack_lease(const LeaseId& lease, Caching state);
  // The timer ran out: the holder keeps nothing. A stale id does nothing.
  void break_timed_out(const BreakId& id);
  // No channel was left to send on, so the holder keeps nothing. False: its opens are about to be
  // closed for the same reason, and whoever waits has to wait for that: the break is still there.
  bool break_undelivered(const BreakId& id);
  // Whether the acknowledgement of this break is still awaited.
  bool is_breaking(const BreakId& id) const;

  // What an open may cache now (a lease's state, an oplock's), for durable grants and admin.
  Caching caching_of(const OpenRef& ref) const;
  // What all who have the file itself open may cache, with what they were asked to give up and have
  // not yet.
  Caching held(const FileKey& file) const;
  // The accounts of those who may cache any of `any_of`, as held() has it; one may come twice.
  std::vector<Account> holders(const FileKey& file, Caching any_of) const;
  // Somebody who is no open of this table is held off until nobody has `taken`: vfs/local_guard.h.
  // Never waits; held() tells how far it is.
  void take_for_local(const FileKey& file, Caching taken);
  // Of what open() has just granted `ref` only `kept` can be had. `before`: OpenDecision::before.
  // What its client has not been told of is taken back without a word. Returns the grant as it is
  // now.
  OpenDecision keep_only(const OpenRef& ref, Caching kept, Caching before);
  // Its oplock or lease as a CREATE would answer it now: for the answer to one that is replayed, or
  // that reconnects. kNone and no lease if the open is not there.
  OpenDecision grant_of(const OpenRef& ref) const;
  // For admin: the byte-range locks it has and waits for.
  LocksOfOpen locks_of(const OpenRef& ref) const;

  // The state "disconnected" of an open, [MS-SMB2] 3.3.7.1. kDurable is refused (false) unless the
  // open holds a batch oplock or a lease with H.
  bool set_durability(const OpenRef& ref, Durability durability);
  // The connection went. True: the open is kept, disconnected, with its locks; what waits for one
  // completes as with close(). False: the caller closes it.
  bool disconnect(const OpenRef& ref);
  // Claims a disconnected open for a new session; false if it is not there or not disconnected, so
  // that one of two racing claims wins. The oplock or lease is as it was.
  bool reconnect(const OpenRef& ref, SessionId session);
  // The same under the token `as`, also for one that another worker keeps: it is this worker's from
  // then on. False, too, if another worker keeps it and it has a lease: those belong to a client,
  // and that to a worker.
  bool take_over(const OpenRef& ref, OpenToken as, SessionId session);
  // What has to be written down of an open that is to outlive this process: open_image.h. Nothing
  // if the open is not there.
  std::optional<OpenImage> image_of(const OpenRef& ref) const;
  // The files of which image_of() an open may say something else than before: those that have had
  // a persistent open, and in which something has happened since this was last asked. A file
  // stands for its streams. What is in none that was taken is as it was.
  std::vector<FileKey> take_noted();
  // With a group: the same of persistent opens of other workers' clients, and which of those that
  // live are to write down what they are now. Of what this worker's own events have changed.
  std::vector<PromisedElsewhere> take_noted_elsewhere();
  // Which of the others that live may have persistent opens of the file.
  std::vector<store::WorkerTag> promised_elsewhere(const FileKey& file) const;
  // Has it again, as a disconnected open; takes from nobody. Opens of one file may be restored in
  // any order; all with one lease as its latest state. Returns as what the file is known from now
  // on. Nothing: somebody has the file open who stands in its way, or this very open, the lease key
  // is of another file, or there is no room for it.
  // With a group: when a worker dies its persistent opens are disconnected, and all others are
  // closed. One that is there so is taken as it is now, whatever `image` says. A token of a worker
  // that does not live holds it for the next life of that, which restores it under its own.
  std::optional<FileKey> restore(const FileKey& file, const OpenImage& image, OpenToken token,
                                 Account account);
  // Of files that are open, as far as it is known elsewhere only, and restored when somebody asks:
  // all opens of such a file are, or none. Set once, before the first request. False with a group,
  // whose other workers would not know of them.
  bool set_sleepers(Sleepers* sleepers);
  // Before an open of this file is restored that is none of those.
  void wake(const FileKey& file);
  // The lease of such an open has this file, as if it was restored already. False: its key is of
  // another one.
  bool keep_lease_key(const LeaseId& lease, const FileKey& file);
  // It was not restored after all.
  void drop_lease_key(const LeaseId& lease, const FileKey& file);
  // With a group: closes what earlier lives of this worker had open and nobody has restored by now.
  // Before expect_kept() is called again nothing of them is kept.
  void drop_kept();
  void expect_kept();
  // Whether the open is there, and disconnected.
  bool is_disconnected(const OpenRef& ref) const;

  // With a group: delivers to the sink what other workers left for this one, of every file. Happens
  // by itself once the group is started.
  void catch_up();
  // The same of one file.
  void catch_up(const FileKey& file);
  // With a group: the sink may be told what earlier lives of workers have left to delete. Until
  // then it is kept. Call once.
  void hand_out_orphans();
  // With a group: how many opens, leases and so on this worker has read that others had changed.
  uint64_t parts_read() const;

  struct Impl;

 private:
  // Takes the messages of other workers.
  void attach();

  std::unique_ptr<Impl> impl_;
};

}  // namespace braid::filestate
