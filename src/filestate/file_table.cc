#include "filestate/file_table.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "filestate/file_table_impl.h"

namespace braid::filestate {

FileTable::FileTable(BreakSink& sink, store::Group* group, Keeping keeping)
    : impl_(std::make_unique<Impl>(sink, group, keeping)) {
  attach();
}
FileTable::~FileTable() = default;

NtStatus FileTable::check_lease_key(const LeaseId& lease,
                                    const std::optional<FileKey>& file) const {
  return impl_->keys.may_bind(lease, file) ? NtStatus::kSuccess : NtStatus::kInvalidParameter;
}

OpenDecision FileTable::open(const FileKey& file, const OpenRequest& request) {
  impl_->wake(file);
  Effects effects;
  OpenDecision decision;
  FileKey known_as = file;
  if (request.path && !request.is_new) {
    if (const auto maker = impl_->maker_of(*request.path)) {
      decision.decision = Decision::fail(NtStatus::kDeletePending);
      decision.deletes_purged = true;
      decision.deleted_by = *maker;
      decision.waits_for = key_of_name(*request.path);
      return decision;
    }
  }
  {
    Impl::HeldFile held(*impl_, file, effects);
    FileState& state = held.open_state();
    known_as = state.key();
    FileNode& node = *held.node();
    const bool deletes = ((request.granted_access | request.needed_access) & kDelete) != 0 ||
                         request.delete_on_close;
    const bool with_lease = request.requested_oplock == OplockLevel::kLease && request.lease;
    const LeaseId lease = with_lease ? lease_of(request) : LeaseId{};
    const bool had_lease = with_lease && state.has_lease(lease);
    if (node.is_being_replaced()) {
      decision.decision = Decision::fail(NtStatus::kDeletePending);
    } else if (!node.shares_deletion(file, deletes, request.granted_access, request.share_access)) {
      decision.decision = Decision::fail(NtStatus::kSharingViolation);
    } else if (with_lease && !impl_->keys.bind(lease, known_as)) {
      decision.decision = Decision::fail(NtStatus::kInvalidParameter);
    } else {
      decision = state.open(request, effects.outcome);
      if (decision.decision.verdict == Verdict::kGo) node.account = request.account;
      if (with_lease) {
        if (!state.has_lease(lease)) {
          impl_->keys.unbind(lease, known_as);
        } else if (request.delete_on_close && decision.decision.verdict == Verdict::kGo) {
          impl_->keys.set_delete_on_close(lease);
        }
      }
    }
    held.settle(state);
    if (decision.decision.status == NtStatus::kDeletePending) {
      for (const FileNode::Deletion& each : node.deleting) {
        if (!each.newcomers_wait()) continue;
        decision.deletes_purged = true;
        decision.deleted_by = each.by;
        decision.waits_for = node_key(file);
      }
    }
    if (!held.finish(true, store::Urgency::kOrdinary)) {
      decision = {};
      decision.decision = Decision::fail(NtStatus::kInsufficientResources);
      if (with_lease && !had_lease) impl_->keys.unbind(lease, known_as);
    }
  }
  decision.file = known_as;
  impl_->tell(known_as, effects);
  return decision;
}

bool FileTable::cancel_wait(const OpenRef& ref) {
  return impl_->with(node_key(ref.file), false, [&](FileNode& node, FileState&, Outcome&) {
    bool waited = false;
    node.for_each_state([&](FileState& state) { waited = state.cancel_wait(ref.token) || waited; });
    return waited;
  });
}

CloseDecision FileTable::close(const OpenRef& ref) {
  CloseDecision closed = impl_->with(
      ref.file, CloseDecision{}, [&](FileNode& node, FileState& state, Outcome& outcome) {
        return impl_->close_decision(node, state, state.close(ref.token, outcome),
                                     impl_->own_tag());
      });
  if (closed.delete_now) closed.until_deleted = impl_->until_deleted(closed, ref.file);
  return closed;
}

Decision FileTable::set_delete_pending(const OpenRef& ref, bool delete_pending,
                                       DeleteSemantics semantics, const Deleter& deleter) {
  // What is full is made room in by deleting. Somebody who is in thousands of groups, or far down,
  // takes more than the reserve is for.
  constexpr size_t kOfReserve = 2048;
  const bool is_small = !delete_pending || !deleter || deleter->size() <= kOfReserve;
  return impl_->with_room(
      ref.file, Decision::fail(NtStatus::kFileClosed),
      Decision::fail(NtStatus::kInsufficientResources),
      [&](FileNode&, FileState& state, Outcome& outcome) {
        return state.set_delete_pending(ref.token, delete_pending, semantics, outcome, deleter);
      },
      is_small ? store::Urgency::kMustNotFail : store::Urgency::kOrdinary);
}

Decision FileTable::set_delete_on_close(const OpenRef& ref, bool delete_on_close,
                                        DeleteSemantics semantics) {
  return impl_->with(ref.file, Decision::fail(NtStatus::kFileClosed),
                     [&](FileNode&, FileState& state, Outcome&) {
                       return state.set_delete_on_close(ref.token, delete_on_close, semantics);
                     });
}

bool FileTable::is_delete_pending(const OpenRef& ref) const {
  return impl_->ask(ref.file, false, [&](FileNode&, const FileState& state) {
    return state.is_delete_pending(ref.token);
  });
}

bool FileTable::is_delete_pending(const FileKey& file, std::string_view path) const {
  return impl_->ask(node_key(file), false, [&](FileNode&, const FileState& main) {
    const Link* const link = main.links().find(path);
    return link && link->delete_pending;
  });
}

uint32_t FileTable::pending_links(const FileKey& file) const {
  return impl_->ask(node_key(file), 0u,
                    [](FileNode&, const FileState& main) { return main.links().pending(); });
}

bool FileTable::is_spread() const { return impl_->is_spread; }

Task<void> FileTable::fetch(FileKey file, Executor& executor) const {
  if (!impl_->is_spread) co_return;
  const store::RecordKey key = record_key(file);
  if (!impl_->records->is_here(key)) co_await impl_->records->fetch(key, executor);
}

Task<void> FileTable::fetch(LeaseId lease, Executor& executor) const {
  if (!impl_->is_spread) co_return;
  const std::optional<FileKey> file = impl_->keys.file_of(lease);
  if (file) co_await fetch(*file, executor);
}

NtStatus FileTable::check_sharing(const OpenRef& ref, uint32_t access) const {
  return impl_->ask(ref.file, NtStatus::kFileClosed, [&](FileNode&, const FileState& state) {
    return state.check_sharing(ref.token, access);
  });
}

bool FileTable::is_open_beside(const OpenRef& ref) const {
  return impl_->ask(ref.file, false, [&](FileNode&, const FileState& state) {
    return state.is_open_beside(ref.token);
  });
}

bool FileTable::is_open(const FileKey& file) const {
  impl_->wake(file);
  return impl_->ask(node_key(file), false, [&](FileNode& node, const FileState&) {
    const FileState* const state = node.find_called(file);
    return state && state->has_opens();
  });
}

void FileTable::not_removed(const CloseDecision& closed, const FileKey& of) {
  impl_->end_delete(closed.file, closed.path, Impl::Removed::kNo);
  if (of != closed.file) impl_->end_delete(of, closed.path, Impl::Removed::kNo);
}

bool FileTable::is_open_with(const FileKey& file, uint32_t access) const {
  impl_->wake(file);
  return impl_->ask(file, false,
                    [&](FileNode&, const FileState& state) { return state.is_open_with(access); });
}

uint64_t FileTable::name_changes() const { return impl_->names_gone; }

bool FileTable::has_room_for_name(const OpenRef& ref, size_t bytes) const {
  if (!impl_->group) return true;
  const Account account =
      impl_->ask(ref.file, Account{}, [&ref](FileNode&, const FileState& state) {
        const OpenRecord* const open = state.find(ref.token);
        return open ? open->account : Account{};
      });
  return impl_->records->has_room(bytes, account);
}

void FileTable::renamed(const OpenRef& ref, SharedPath new_path) {
  impl_->name_went();
  impl_->change(node_key(ref.file), [&](FileNode& node, FileState& state, Outcome&) {
    // The name counts to who gave it.
    if (const OpenRecord* const open = state.find(ref.token)) node.account = open->account;
    node.renamed(ref, std::move(new_path));
  });
}

void FileTable::unlinked(const FileKey& file, std::string_view path) {
  impl_->wake(file);
  impl_->name_went();
  impl_->change(node_key(file),
                [&](FileNode&, FileState& main, Outcome&) { main.links().set_removed(path); });
}

SharedPath FileTable::path_of(const OpenRef& ref) const {
  return impl_->ask(ref.file, SharedPath{}, [&](FileNode&, const FileState& state) {
    const OpenRecord* const open = state.find(ref.token);
    return open && open->link->is_at_known_path() ? open->link->path : nullptr;
  });
}

namespace {

// "a\b" is above "a\b\c".
bool is_below(std::string_view directory, std::string_view path) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         (directory.empty() || path[directory.size()] == '\\');
}

bool has_link_below(const FileState& main, std::string_view directory) {
  bool found = false;
  main.links().for_each([&](const Link& link) {
    found = found || (link.is_at_known_path() && is_below(directory, link.key()));
  });
  return found;
}

}  // namespace

bool FileTable::any_open_below(std::string_view directory) const {
  impl_->wake_where([&](std::string_view path) { return is_below(directory, path); });
  const auto below =
      impl_->files_where([&](std::string_view path) { return is_below(directory, path); });
  // Asked again one by one: what a dead worker had open counts no more.
  return std::ranges::any_of(below, [&](const FileKey& file) {
    return impl_->ask(file, false, [&](FileNode&, const FileState& main) {
      return has_link_below(main, directory);
    });
  });
}

Decision FileTable::break_handles_below(std::string_view directory, const OpenRef& directory_open,
                                        std::vector<FileKey>& waits_at) {
  Decision decision = Decision::go();
  waits_at.clear();
  impl_->wake_where([&](std::string_view path) { return is_below(directory, path); });
  for (const FileKey& key :
       impl_->files_where([&](std::string_view path) { return is_below(directory, path); })) {
    const Decision one =
        impl_->with(key, Decision::go(), [&](FileNode&, FileState& state, Outcome& outcome) {
          if (!has_link_below(state, directory)) return Decision::go();
          return state.take_handles(directory_open.token, outcome);
        });
    if (one.verdict != Verdict::kWait) continue;
    decision = one;
    waits_at.push_back(key);
  }
  return decision;
}

Decision FileTable::break_handles(const FileKey& file, const OpenRef& ref) {
  impl_->wake(file);
  return impl_->with_room(file, Decision::go(), Decision::fail(NtStatus::kInsufficientResources),
                          [&](FileNode&, FileState& state, Outcome& outcome) {
                            return state.take_handles(ref.token, outcome);
                          });
}

void FileTable::child_changed(const FileKey& directory, const std::optional<LeaseId>& actor) {
  impl_->change(directory, [&](FileNode&, FileState& state, Outcome& outcome) {
    state.child_changed(actor, outcome);
  });
}

void FileTable::child_changed(const FileKey& directory, const OpenRef& child) {
  using Actor = std::optional<LeaseId>;
  const Actor actor = impl_->ask(child.file, Actor{}, [&](FileNode&, const FileState& state) {
    const OpenRecord* const open = state.find(child.token);
    if (!open || !open->lease || !open->lease->parent_key) return Actor{};
    return Actor{{open->client, *open->lease->parent_key, open->user}};
  });
  child_changed(directory, actor);
}

Decision FileTable::lock(const OpenRef& ref, std::span<const LockRange> ranges,
                         bool fail_immediately, LockId id,
                         const std::optional<LockSequence>& sequence) {
  return impl_->with_room(ref.file, Decision::fail(NtStatus::kFileClosed),
                          Decision::fail(NtStatus::kInsufficientResources),
                          [&](FileNode&, FileState& state, Outcome& outcome) {
                            return state.lock(ref.token, ranges, fail_immediately, id, sequence,
                                              outcome);
                          });
}

NtStatus FileTable::unlock(const OpenRef& ref, std::span<const LockRange> ranges,
                           const std::optional<LockSequence>& sequence) {
  return impl_->with(ref.file, NtStatus::kFileClosed,
                     [&](FileNode&, FileState& state, Outcome& outcome) {
                       return state.unlock(ref.token, ranges, sequence, outcome);
                     });
}

Decision FileTable::lock_part(const OpenRef& ref, std::span<const LockRange> ranges,
                              const std::optional<LockSequence>& sequence, LockPart part,
                              bool& is_repeated) {
  return impl_->with_room(ref.file, Decision::fail(NtStatus::kFileClosed),
                          Decision::fail(NtStatus::kInsufficientResources),
                          [&](FileNode&, FileState& state, Outcome& outcome) {
                            return state.lock_part(ref.token, ranges, sequence, part, is_repeated,
                                                   outcome);
                          });
}

void FileTable::give_back(const OpenRef& ref, std::span<const LockRange> ranges) {
  impl_->change(ref.file, [&](FileNode&, FileState& state, Outcome& outcome) {
    state.give_back(ref.token, ranges, outcome);
  });
}

NtStatus FileTable::unlock_part(const OpenRef& ref, std::span<const LockRange> ranges,
                                const std::optional<LockSequence>& sequence, LockPart part,
                                bool& is_repeated) {
  return impl_->with(
      ref.file, NtStatus::kFileClosed, [&](FileNode&, FileState& state, Outcome& outcome) {
        return state.unlock_part(ref.token, ranges, sequence, part, is_repeated, outcome);
      });
}

bool FileTable::cancel_lock(const OpenRef& ref, LockId id) {
  return impl_->with(ref.file, false, [&](FileNode&, FileState& state, Outcome&) {
    return state.cancel_lock(ref.token, id);
  });
}

OplockAck FileTable::ack_oplock(const OpenRef& ref, OplockLevel level) {
  return impl_->with(ref.file, OplockAck{NtStatus::kFileClosed, OplockLevel::kNone},
                     [&](FileNode&, FileState& state, Outcome& outcome) {
                       return state.ack_oplock(ref.token, level, outcome);
                     });
}

LeaseAck FileTable::ack_lease(const LeaseId& lease, Caching state) {
  const LeaseAck absent{NtStatus::kObjectNameNotFound, Caching::kNone};
  const std::optional<FileKey> file = impl_->keys.file_of(lease);
  if (!file) return absent;
  impl_->wake(*file);
  return impl_->with(*file, absent, [&](FileNode&, FileState& of, Outcome& outcome) {
    return of.ack_lease(lease, state, outcome);
  });
}

void FileTable::break_timed_out(const BreakId& id) {
  impl_->change(id.file, [&](FileNode&, FileState& state, Outcome& outcome) {
    state.break_timed_out(id.serial, outcome);
  });
}

bool FileTable::break_undelivered(const BreakId& id) {
  return impl_->with(id.file, true, [&](FileNode&, FileState& state, Outcome& outcome) {
    return state.break_undelivered(id.serial, outcome);
  });
}

bool FileTable::is_breaking(const BreakId& id) const {
  return impl_->ask(id.file, false, [&](FileNode&, const FileState& state) {
    return state.is_breaking(id.serial);
  });
}

Caching FileTable::caching_of(const OpenRef& ref) const {
  return impl_->ask(ref.file, Caching::kNone,
                    [&](FileNode&, const FileState& state) { return state.caching_of(ref.token); });
}

Caching FileTable::held(const FileKey& file) const {
  return impl_->ask(file, Caching::kNone,
                    [](FileNode&, const FileState& state) { return state.held(); });
}

std::vector<Account> FileTable::holders(const FileKey& file, Caching any_of) const {
  return impl_->ask(file, std::vector<Account>{},
                    [&](FileNode&, const FileState& state) { return state.holders(any_of); });
}

void FileTable::take_for_local(const FileKey& file, Caching taken) {
  impl_->change(file, [&](FileNode&, FileState& state, Outcome& outcome) {
    state.take_for_local(taken, outcome);
  });
}

OpenDecision FileTable::keep_only(const OpenRef& ref, Caching kept, Caching before) {
  return impl_->with(ref.file, OpenDecision{}, [&](FileNode&, FileState& state, Outcome& outcome) {
    return state.keep_only(ref.token, kept, before, outcome);
  });
}

OpenDecision FileTable::grant_of(const OpenRef& ref) const {
  return impl_->ask(ref.file, OpenDecision{},
                    [&](FileNode&, const FileState& state) { return state.grant_of(ref.token); });
}

LocksOfOpen FileTable::locks_of(const OpenRef& ref) const {
  return impl_->ask(ref.file, LocksOfOpen{},
                    [&](FileNode&, const FileState& state) { return state.locks_of(ref.token); });
}

bool FileTable::set_durability(const OpenRef& ref, Durability durability) {
  return impl_->with(ref.file, false, [&](FileNode& node, FileState& state, Outcome&) {
    const bool is_set = state.set_durability(ref.token, durability);
    if (is_set && durability == Durability::kPersistent) {
      node.note_promise(store::WorkerTag::of(ref.token.value));
    }
    return is_set;
  });
}

bool FileTable::disconnect(const OpenRef& ref) {
  return impl_->with(ref.file, false, [&](FileNode&, FileState& state, Outcome& outcome) {
    return state.disconnect(ref.token, outcome);
  });
}

bool FileTable::reconnect(const OpenRef& ref, SessionId session) {
  return impl_->with(ref.file, false, [&](FileNode&, FileState& state, Outcome& outcome) {
    return state.reconnect(ref.token, session, outcome);
  });
}

bool FileTable::take_over(const OpenRef& ref, OpenToken as, SessionId session) {
  return impl_->with(ref.file, false, [&](FileNode&, FileState& state, Outcome& outcome) {
    return state.take_over(ref.token, as, session, outcome);
  });
}

uint64_t FileTable::parts_read() const { return impl_->parts_read; }

bool FileTable::is_disconnected(const OpenRef& ref) const {
  return impl_->ask(ref.file, false, [&](FileNode&, const FileState& state) {
    const OpenRecord* const open = state.find(ref.token);
    return open && open->disconnected;
  });
}

}  // namespace braid::filestate
