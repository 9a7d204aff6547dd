// Who has one file or stream open, what they may cache and lock, and whether it is to be deleted.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "filestate/byte_range_locks.h"
#include "filestate/defects.h"
#include "filestate/indexed_set.h"
#include "filestate/links.h"
#include "filestate/open_record.h"
#include "filestate/part_table.h"
#include "filestate/share_modes.h"
#include "filestate/types.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::filestate {

struct OpenImage;

// A pure state machine: events in; decisions, breaks and completions out. No I/O, no clock, no
// thread. Each event method names the section whose rule it carries out. Breaks follow
// [MS-FSA] 2.1.4.12 "Algorithm to Check for an Oplock Break"; grants 2.1.5.18 "Server Requests an
// Oplock", brought down by the server to what can be held, as Windows does; leases
// [MS-SMB2] 3.3.1.4. An oplock counts as the caching it stands for (level II: R, exclusive: RW,
// batch: RWH) and breaks to level II or none only.
//
// Owned by FileTable, one for each FileKey in use; ends with its last open. A stream's key is its
// identity, that refs, breaks and leases go by, and never changes; what it is called is apart.
// Thread: one at a time, under the table's shard lock.
class FileState {
 public:
  // Break serials go on from `last_break_serial`, so that a timer of a file's earlier life does not
  // hit a break of a later one.
  // `parts`, which outlives this: the file is shared with other workers. A stream is a part of its
  // own, `head_part` if another worker made it.
  // `links` are the file's, of which a stream is one; its own without them.
  explicit FileState(const FileKey& key, uint64_t last_break_serial = 0, PartTable* parts = nullptr,
                     uint32_t head_part = kNoPart, Links* links = nullptr);
  FileState(const FileState&) = delete;
  FileState& operator=(const FileState&) = delete;

  using TokenTest = std::function<bool(OpenToken)>;

  // Semantics, parameters and statuses of all these: file_table.h.
  OpenDecision open(const OpenRequest& request, Outcome& out);
  bool cancel_wait(OpenToken token);
  CloseResult close(OpenToken token, Outcome& out);

  Decision begin_io(OpenToken token, Operation operation, std::span<const IoRange> ranges,
                    Outcome& out);
  // The same where nothing is to be taken from anybody, so that nothing changes; otherwise nothing.
  std::optional<Decision> begin_io_alone(OpenToken token, Operation operation,
                                         std::span<const IoRange> ranges) const;
  Decision prepare(OpenToken token, Operation operation, Outcome& out);
  // Without one, a begin_io() that says kGo and has no outcome has changed nothing.
  bool has_breaks_under_way() const { return counts_.breaking != 0; }
  // The directory above is about to be renamed: all handle caching ends. `waiter` is an open of
  // that directory, not of this file.
  Decision take_handles(OpenToken waiter, Outcome& out);
  // A rename of another file is about to take the name: all caching ends. `waiter` as above.
  Decision take_all(OpenToken waiter, Outcome& out);
  Decision set_delete_pending(OpenToken token, bool delete_pending, DeleteSemantics semantics,
                              Outcome& out, const Deleter& deleter = {});
  Decision set_delete_on_close(OpenToken token, bool delete_on_close, DeleteSemantics semantics);
  // Of the stream, or of the name by which it was opened. False if it is not there.
  bool is_delete_pending(OpenToken token) const;
  // What was to be deleted is gone, or stays: a named stream, or the name `path` of the file.
  void end_delete(std::string_view path);
  // It could not be removed: those who have it open by this name go on with it.
  void keep_name(std::string_view path);
  // The name by which it was opened is another one now, for all who have the file open by it.
  // `streams` and `main`: the states of the file, where there are more than this one.
  void renamed(OpenToken token, SharedPath path,
               std::span<const std::unique_ptr<FileState>> streams = {}, FileState* main = nullptr);
  Links& links() { return *links_; }
  const Links& links() const { return *links_; }
  NtStatus check_sharing(OpenToken token, uint32_t access) const;
  // By another open than this one.
  bool is_open_beside(OpenToken token) const;
  // Does an open refuse to share this access? For deleting a file with open streams.
  bool denies(uint32_t access) const { return share_.denies(access); }
  bool is_open_with(uint32_t access) const;
  bool is_open_elsewhere(store::WorkerTag here) const;
  // Would an open of one of the file's streams refuse to share the deletion that an open of the
  // file may do?
  bool collides_with_deleter(uint32_t access, uint32_t share) const {
    return share_.collides_with_deleter(access, share);
  }

  // For a directory: see FileTable::child_changed.
  void child_changed(const std::optional<LeaseId>& actor, Outcome& out);

  Decision lock(OpenToken token, std::span<const LockRange> ranges, bool fail_immediately,
                LockId id, const std::optional<LockSequence>& sequence, Outcome& out);
  NtStatus unlock(OpenToken token, std::span<const LockRange> ranges,
                  const std::optional<LockSequence>& sequence, Outcome& out);
  Decision lock_part(OpenToken token, std::span<const LockRange> ranges,
                     const std::optional<LockSequence>& sequence, LockPart part, bool& is_repeated,
                     Outcome& out);
  NtStatus unlock_part(OpenToken token, std::span<const LockRange> ranges,
                       const std::optional<LockSequence>& sequence, LockPart part,
                       bool& is_repeated, Outcome& out);
  void give_back(OpenToken token, std::span<const LockRange> ranges, Outcome& out);
  bool cancel_lock(OpenToken token, LockId id);
  NtStatus check_io(OpenToken token, uint64_t offset, uint64_t length, bool write) const;

  OplockAck ack_oplock(OpenToken token, OplockLevel level, Outcome& out);
  LeaseAck ack_lease(const LeaseId& id, Caching state, Outcome& out);
  void break_timed_out(uint64_t serial, Outcome& out);
  bool break_undelivered(uint64_t serial, Outcome& out);
  bool is_breaking(uint64_t serial) const;

  Caching caching_of(OpenToken token) const;
  Caching held() const;
  std::vector<Account> holders(Caching any_of) const;
  void take_for_local(Caching taken, Outcome& out);
  OpenDecision keep_only(OpenToken token, Caching kept, Caching before, Outcome& out);
  OpenDecision grant_of(OpenToken token) const;
  LocksOfOpen locks_of(OpenToken token) const { return locks_.locks_of(token); }
  bool set_durability(OpenToken token, Durability durability);
  bool disconnect(OpenToken token, Outcome& out);
  bool reconnect(OpenToken token, SessionId session, Outcome& out);
  bool take_over(OpenToken token, OpenToken as, SessionId session, Outcome& out);
  std::optional<OpenImage> image_of(OpenToken token) const;
  bool restore(const OpenImage& image, OpenToken token, Account account);
  // The persistent opens that are `that` are disconnected from now on, and who waits for answers of
  // their clients asks again. False: there are none that were not.
  bool keep_persistent(const TokenTest& that, Outcome& out);
  static bool is_persistent(const OpenRecord& open) {
    return open.durability == Durability::kPersistent;
  }
  // Looks at each.
  const OpenRecord* find_persistent(uint64_t persistent_id) const;
  // REQUIRES: find(token) is disconnected, and `as` is nobody's.
  void rename_open(OpenToken token, OpenToken as);

  // Makes it the state of another file, keeping what memory it has. REQUIRES: it is of a file and
  // no stream, which nobody has open, by no name.
  void reuse_for(const FileKey& key, uint64_t last_break_serial) {
    key_ = key;
    last_break_serial_ = last_break_serial;
  }

  const FileKey& key() const { return key_; }
  // FileKey::stream of what the stream is called now.
  uint64_t name() const { return name_; }
  // REQUIRES: it is a named stream, and no other of the file is called so.
  void set_name(uint64_t name) {
    name_ = name;
    touch_head();
  }
  uint64_t last_break_serial() const { return last_break_serial_; }
  bool has_opens() const { return !opens_.empty(); }
  bool has_lease(const LeaseId& id) const { return leases_.find(id) != nullptr; }
  const OpenRecord* find(OpenToken token) const { return opens_.find(token); }
  // Ends the opens and forgets the waits that are `gone`: their worker has died.
  // What is to be deleted because of that is added to `left_to_delete`, and is kept otherwise.
  void drop(const TokenTest& gone, Outcome& out,
            std::vector<CloseResult>* left_to_delete = nullptr);
  const Deleters& deleters() const { return deleters_; }
  // Whether an open or a wait is such a one.
  bool has_any(const TokenTest& such) const;
  std::vector<LeaseId> lease_ids() const;

  // As bytes, for records: file_state_codec.cc. REQUIRES, for all of these: there is a table of
  // parts.
  void encode_head(wire::Writer& w) const;
  void decode_head(wire::Reader& r);
  // `part` is one of this state's. Says whose share it counts to.
  Account encode_part(const Part& part, wire::Writer& w) const;
  // What another worker made part `number`: the reader says what is wrong with it.
  void put_lease(uint32_t number, wire::Reader& r);
  void put_open(uint32_t number, wire::Reader& r);
  void put_waiter(uint32_t number, wire::Reader& r);
  void put_held_lock(uint32_t number, wire::Reader& r) { locks_.put_held(number, r); }
  void put_lock_wait(uint32_t number, wire::Reader& r) { locks_.put_waiting(number, r); }
  // What another worker ended, or is about to put anew; nothing happens because of it. False if it
  // cannot be gone yet.
  bool take_out(uint32_t number);
  // All that another worker did has been put and taken out.
  void settle() { locks_.settle(); }
  // Ends all its parts. REQUIRES: !has_opens().
  void remove_parts();
  bool has_locks() const { return !locks_.empty() || locks_.has_waiting(); }
  bool is_empty() const { return opens_.empty() && leases_.empty() && waiters_.empty(); }

  // Leases whose last open was closed since this was last asked; the table unbinds their keys.
  std::vector<LeaseId> take_ended_leases() { return std::exchange(ended_leases_, {}); }

 private:
  // What an event takes away from others and what of it must be gone before the event goes on.
  struct Demand {
    Caching from_leases = Caching::kNone;
    Caching from_oplocks = Caching::kNone;  // of those that hold any of `oplocks_with`
    Caching oplocks_with = Caching::kNone;
    Caching wait_for = Caching::kNone;
    bool own_level_two = false;  // ends the level II oplock of the very open, too
  };
  // Whose caching is left alone: that of the same lease, or of the open itself.
  struct Actor {
    std::optional<LeaseId> lease;
    const OpenRecord* open = nullptr;
  };

  static Demand demand_of(Operation operation);
  static Demand demand_of_delete();
  static Demand demand_of(const OpenRequest& request, bool violation);

  // Whether somebody holds what the demand may take; who asks may be the one.
  bool has_holders_of(const Demand& demand) const;
  // revoke() would do nothing, and nobody has to make way.
  bool takes_nothing(const Demand& demand, const Actor& actor) const;
  // True if the actor has to wait.
  bool revoke(const Demand& demand, const Actor& actor, Outcome& out);
  static bool spares(const Holder& holder, const Demand& demand, const Actor& actor);
  bool revoke_from(Holder& holder, const Demand& demand, Outcome& out);
  void start_break(Holder& holder, Caching target, Outcome& out);
  void tell_none(Holder& holder, Outcome& out);
  void finish_break(Holder& holder, Caching state, Outcome& out);
  void notify(Holder& holder, Caching target, bool ack_required, Outcome& out);
  bool is_away(const Holder& holder) const;
  void owe(Holder& holder);
  void pay(Holder& holder, Outcome& out);
  void release_waiters(Outcome& out);
  static Caching what_is_left(const Holder& holder, Caching of, Caching taken);

  // The one way to change what a holder holds: keeps the list of holders and the counts true.
  void set_state(Holder& holder, Caching state, bool breaking = false,
                 bool exclusive_break = false);
  void count(const Holder& holder, uint32_t by);
  Holder* breaking(uint64_t serial) const;
  Caching grantable(Caching wanted, const OpenRequest& request, bool is_lease,
                    const Lease* own) const;
  Decision take_from_all(const Demand& demand, OpenToken waiter, Outcome& out);
  void grant_lease(const OpenRequest& request, OpenRecord& open, OpenDecision& decision);
  void grant_oplock(const OpenRequest& request, OpenRecord& open, OpenDecision& decision);
  Decision wait(OpenToken token, Completion::Kind kind, Account account);
  static Actor actor_of(const OpenRecord& open);

  // [MS-SMB2] 3.3.5.9 with its note <301>: of persistent opens whose client is away.
  bool keeps_out_all() const;
  static bool keeps_waiting(const OpenRecord& open, const OpenRequest& request);
  static Caching held_by(const OpenRecord& open) {
    return open.lease ? open.lease->holder.state : open.holder.state;
  }
  // Both give up disconnected opens that are in the way; false if one of them is persistent, and
  // `request`, if there is one, does not wait for its client.
  bool purge_sharers(const OpenRequest& request, Outcome& out);
  bool purge_holders(const Demand& demand, const Actor& actor, Outcome& out,
                     const OpenRequest* request = nullptr);
  void purge(std::vector<OpenToken> tokens, Outcome& out);
  CloseResult remove(OpenRecord& open, Outcome& out);
  void take_links(Link& from, Link& to);
  void mark_deleted(Link& link, bool deleted, const Deleter& deleter);
  void drop_waiting(const OpenRecord& open, Outcome& out);
  Decision check_locks(OpenToken token, Operation operation, std::span<const IoRange> ranges) const;
  void restore_link(const OpenImage& image, OpenRecord& open);
  void restore_caching(const OpenImage& image, OpenRecord& open);
  static void end_lock_wait(OpenToken token, LockId id, NtStatus status, Outcome& out);
  std::optional<NtStatus> begin_sequence(OpenRecord& open,
                                         const std::optional<LockSequence>& sequence, Outcome& out);
  void end_sequence(OpenRecord& open, const std::optional<LockSequence>& sequence);
  static LeaseGrant grant_of(const Lease& lease);
  void complete_locks(Outcome& out);

  static void encode_holder(const Holder& holder, wire::Writer& w);
  static void decode_holder(Holder& holder, wire::Reader& r);
  static void encode_lease(const Lease& lease, wire::Writer& w);
  static void encode_open(const OpenRecord& open, wire::Writer& w);
  static void encode_waiter(const Waiter& waiter, wire::Writer& w);

  // Whoever changes what another worker has to know says so, as often as he likes.
  void touch(const OpenRecord& open) {
    if (parts_) parts_->touch(open.part);
  }
  void touch(const Lease& lease) {
    if (parts_) parts_->touch(lease.part);
  }
  void touch(const Holder& holder) { holder.lease ? touch(*holder.lease) : touch(*holder.open); }
  void touch_head() {
    if (head_part_ != kNoPart) parts_->touch(head_part_);
  }

  // An open in or out of what is counted of all.
  void count_in(OpenRecord& open);
  void count_out(OpenRecord& open);
  void list_disconnected(OpenRecord& open);
  void unlist_disconnected(OpenRecord& open);
  void list(Holder& holder);
  void unlist(Holder& holder);
  // First come, first out.
  std::vector<std::unique_ptr<Waiter>> take_waiters(
      const std::function<bool(const Waiter&)>& is_meant);
  // Holders by what they hold, to know without looking at each that nobody is in the way.
  struct Counts {
    uint32_t all = 0;
    uint32_t write = 0;   // hold W, or are in an exclusive break
    uint32_t handle = 0;  // hold H
    uint32_t oplocks = 0;
    uint32_t breaking = 0;
  };

  FileKey key_;
  uint64_t name_;
  Links own_links_;
  Links* const links_;
  IndexedSet<OpenRecord, OpenToken> opens_;
  IndexedSet<Lease, LeaseId> leases_;
  std::vector<Holder*> holders_;
  std::unordered_map<uint64_t, Holder*> breaks_;  // by the serials of those that are breaking
  Counts counts_;
  ShareModes share_;
  ByteRangeLocks locks_;
  IndexedSet<Waiter, uint64_t> waiters_;
  uint64_t last_wait_{};  // not below the order of any
  std::vector<LeaseId> ended_leases_;
  uint64_t last_break_serial_;
  uint32_t data_opens_ = 0;                // opens that are no stat opens
  std::vector<OpenRecord*> disconnected_;  // few, so that newcomers look at these only
  bool delete_pending_ = false;            // Stream.IsDeleted; a file's is that of its links
  Deleters deleters_;                      // with whose rights, with that
  PartTable* const parts_ = nullptr;
  uint32_t head_part_ = kNoPart;
};

// Opens that may neither be seen nor felt by others, [MS-FSA] 2.1.4.12, operation OPEN.
// READ_CONTROL is among the harmless rights for leases and not for oplocks.
inline constexpr uint32_t kStatAccessForOplocks =
    kFileReadAttributes | kFileWriteAttributes | kSynchronize;
inline constexpr uint32_t kStatAccessForLeases = kStatAccessForOplocks | kReadControl;

}  // namespace braid::filestate
