// BasicFileState: opening, closing, deleting. For file_state.cc and for tests that plant
// a defect; everybody else includes file_state.h.
#pragma once

#include <algorithm>

#include "filestate/file_state.h"
#include "filestate/file_state_breaks_inl.h"
#include "filestate/file_state_codec_inl.h"
#include "filestate/file_state_locks_inl.h"

namespace braid::filestate {

template <Defect kDefect>
BasicFileState<kDefect>::BasicFileState(const FileKey& key, uint64_t last_break_serial,
                                        PartTable* parts, uint32_t head_part, Links* links)
    : key_(key),
      name_(key.stream),
      own_links_(parts),
      links_(links ? links : &own_links_),
      locks_(parts, key.stream),
      last_break_serial_(last_break_serial),
      parts_(parts),
      head_part_(head_part) {
  if (!parts_ || key.stream == 0) return;
  if (head_part_ == kNoPart) {
    head_part_ = parts_->add(StreamHead{}, key.stream);
  } else {
    parts_->put(head_part_, StreamHead{}, key.stream);
  }
}

// [MS-FSA] 2.1.5.1.2 "Open of an Existing File": delete pending, sharing, oplock break, grant.
template <Defect kDefect>
OpenDecision BasicFileState<kDefect>::open(const OpenRequest& request, Outcome& out) {
  OpenDecision decision;
  const std::string_view path = request.path ? std::string_view(*request.path) : "";
  const auto is_pending = [&] {
    if (delete_pending_) return true;
    if (kDefect == Defect::kPendingNameIsOpened) return false;
    const Link* const link = links_->meant(path, request.is_sole_name);
    return link && link->delete_pending;
  };
  if (is_pending()) {
    decision.decision = Decision::fail(NtStatus::kDeletePending);
    return decision;
  }
  // Directories have no oplocks, and only version 2 leases. [MS-SMB2] 3.3.5.9.11.
  const bool has_lease = request.requested_oplock == OplockLevel::kLease && request.lease &&
                         (!request.is_directory || request.lease->version == 2);
  Actor actor;
  if (has_lease) actor.lease = lease_of(request);

  bool violation =
      share_.conflicts(request.granted_access | request.needed_access, request.share_access);
  Demand demand = demand_of(request, violation);
  if (!disconnected_.empty()) {
    if ((violation && !purge_sharers(request, out)) || !purge_holders(demand, actor, out)) {
      decision.decision = Decision::fail(NtStatus::kFileNotAvailable);
      return decision;
    }
    if (is_pending()) {  // one that went had been opened to delete on close
      decision.decision = Decision::fail(NtStatus::kDeletePending);
      decision.deletes_purged = true;
      return decision;
    }
    violation =
        share_.conflicts(request.granted_access | request.needed_access, request.share_access);
    demand = demand_of(request, violation);
  }
  if (revoke(demand, actor, out)) {
    decision.decision = wait(request.token, Completion::Kind::kRetryOpen, request.account);
    decision.sharing_violation = violation;
    return decision;
  }
  if (violation) {
    decision.decision = Decision::fail(NtStatus::kSharingViolation);
    return decision;
  }

  auto record = std::make_unique<OpenRecord>();
  record->token = request.token;
  record->persistent_id = request.token.value;
  record->client = request.client_guid;
  record->user = request.user;
  record->session = request.session_id;
  record->account = request.account;
  record->access = request.granted_access;
  record->share = request.share_access;
  record->is_directory = request.is_directory;
  record->delete_on_close = request.delete_on_close;
  if (request.delete_on_close) record->deleter = request.deleter;
  Link* link = links_->meant(path, request.is_sole_name);
  if (!link) {
    link = &links_->add(request.path, request.is_sole_name, request.account);
  } else if ((request.path && link->key() != path) || link->is_sole != request.is_sole_name) {
    // Something local has moved it, made another one, or removed that.
    if (request.path && link->key() != path) links_->set_path(*link, request.path);
    link->is_sole = request.is_sole_name;
    links_->touch(*link);
  }
  record->link = link;
  OpenRecord& open = opens_.insert(std::move(record));
  if (parts_) open.part = parts_->add(&open, key_.stream, open.token);
  if (has_lease) {
    grant_lease(request, open, decision);
  } else if (!request.is_directory && request.requested_oplock != OplockLevel::kLease) {
    grant_oplock(request, open, decision);
  }
  count_in(open);
  return decision;
}

// [MS-FSA] 2.1.5.18.1 and .2: what of the wanted caching can be held beside what others hold. A
// server asks for less and less until the object store agrees; this is where that ends.
template <Defect kDefect>
Caching BasicFileState<kDefect>::grantable(Caching wanted, const OpenRequest& request,
                                           bool is_lease, const Lease* own) const {
  if (request.is_directory) wanted = wanted - Caching::kWrite;
  if (!is_grantable(wanted)) return Caching::kNone;

  Counts others = counts_;
  uint32_t others_data_opens = data_opens_;
  if (own) {
    others_data_opens -= own->data_opens;
    if (own->holder.is_listed()) {
      others.all--;
      if (has(own->holder.state, Caching::kWrite) || own->holder.exclusive_break) others.write--;
      if (has(own->holder.state, Caching::kHandle)) others.handle--;
    }
  }
  // An attribute-only open breaks nothing and so can meet an exclusive holder.
  if (others.write != 0) return Caching::kNone;
  if ((others_data_opens != 0 || others.all != 0) && kDefect != Defect::kGrantsWriteBesideOthers) {
    wanted = wanted - Caching::kWrite;
  }
  if (has(wanted, Caching::kWrite)) return wanted;

  // Shared caching and byte-range locks of what there is exclude each other. Databases lock bytes
  // far behind the end, which nobody can cache.
  if (locks_.any_before(request.allocation_size)) return Caching::kNone;
  // Level II oplocks and handle caching leases exclude each other, whichever came first.
  if (is_lease) return others.oplocks != 0 ? wanted - Caching::kHandle : wanted;
  return others.handle != 0 ? Caching::kNone : wanted & Caching::kRead;
}

// [MS-SMB2] 3.3.5.9.8 and 3.3.5.9.11: what a lease request gets.
template <Defect kDefect>
void BasicFileState<kDefect>::grant_lease(const OpenRequest& request, OpenRecord& open,
                                          OpenDecision& decision) {
  const LeaseRequest& wanted = *request.lease;
  const LeaseId id = lease_of(request);
  Lease* lease = leases_.find(id);
  if (!lease) {
    auto made = std::make_unique<Lease>();
    made->id = id;
    made->version = wanted.version;
    made->parent_key = wanted.parent_key;
    made->account = request.account;
    lease = &leases_.insert(std::move(made));
    lease->holder.lease = lease;
    if (parts_) lease->part = parts_->add(lease, key_.stream);
    const Caching state = grantable(wanted.state, request, true, nullptr);
    // It counts the states the client has seen, and nothing is none.
    if (wanted.version == 2) lease->epoch = wanted.epoch + (any(state) ? 1 : 0);
    set_state(lease->holder, state);
  } else if (!lease->holder.breaking) {
    // An upgrade is all or nothing: strictly more than before, and exactly what was asked for.
    const Caching state = request.is_directory ? wanted.state - Caching::kWrite : wanted.state;
    if (state != lease->holder.state && is_subset(lease->holder.state, state) &&
        is_grantable(state) && grantable(state, request, true, lease) == state) {
      set_state(lease->holder, state);
      if (lease->version == 2) lease->epoch++;
    }
  }
  lease->last_open = open.token;
  touch(*lease);
  open.lease = lease;
  open.oplock = OplockLevel::kLease;
  decision.oplock = OplockLevel::kLease;
  decision.lease = grant_of(*lease);
}

template <Defect kDefect>
LeaseGrant BasicFileState<kDefect>::grant_of(const Lease& lease) {
  return {.key = lease.id.key,
          .state = lease.holder.state,
          .break_in_progress = lease.holder.breaking,
          .version = lease.version,
          .epoch = lease.epoch,
          .parent_key = lease.parent_key};
}

template <Defect kDefect>
void BasicFileState<kDefect>::grant_oplock(const OpenRequest& request, OpenRecord& open,
                                           OpenDecision& decision) {
  const Caching wanted = filestate::caching_of(request.requested_oplock);
  if (!any(wanted)) return;
  const Caching state = grantable(wanted, request, false, nullptr);
  open.holder.open = &open;
  set_state(open.holder, state);
  if (has(state, Caching::kWrite)) open.oplock = request.requested_oplock;
  decision.oplock = open.oplock;
}

template <Defect kDefect>
Decision BasicFileState<kDefect>::wait(OpenToken token, Completion::Kind kind, Account account) {
  auto made = std::make_unique<Waiter>();
  made->token = token;
  made->kind = kind;
  made->account = account;
  made->order = ++last_wait_;
  Waiter& waiter = waiters_.insert(std::move(made));
  if (parts_) waiter.part = parts_->add(&waiter, key_.stream, token);
  return Decision::wait();
}

template <Defect kDefect>
template <class Test>
auto BasicFileState<kDefect>::take_waiters(Test is_meant) -> std::vector<std::unique_ptr<Waiter>> {
  std::vector<Waiter*> meant;
  for (const auto& waiter : waiters_) {
    if (is_meant(*waiter)) meant.push_back(waiter.get());
  }
  std::ranges::sort(meant, {}, &Waiter::order);
  std::vector<std::unique_ptr<Waiter>> taken;
  for (Waiter* const waiter : meant) {
    if (parts_) parts_->remove(waiter->part);
    taken.push_back(waiters_.take(*waiter));
  }
  return taken;
}

template <Defect kDefect>
bool BasicFileState<kDefect>::cancel_wait(OpenToken token) {
  return !take_waiters([&](const Waiter& waiter) {
            return waiter.token == token && !waiter.lock;
          }).empty();
}

// [MS-FSA] 2.1.5.5 "Server Requests Closing an Open".
template <Defect kDefect>
CloseResult BasicFileState<kDefect>::close(OpenToken token, Outcome& out) {
  OpenRecord* open = opens_.find(token);
  if (!open) return {};
  const bool deletes = open->delete_on_close && kDefect != Defect::kDeleteOnCloseIgnored;
  Actor actor;
  if (open->lease) actor.lease = open->lease->id;
  const CloseResult left = remove(*open, out);
  if (deletes && !left.deletes() && !opens_.empty()) {
    // As FileDispositionInformation, but for who waits: handles that came since, and that clients
    // only keep for themselves, would keep the file for as long. A disconnected one that was the
    // last deletes it.
    if (!disconnected_.empty()) purge_holders(demand_of_delete(), actor, out);
    revoke(demand_of_delete(), actor, out);
  }
  return left;
}

template <Defect kDefect>
void BasicFileState<kDefect>::end_lock_wait(OpenToken token, LockId id, NtStatus status,
                                            Outcome& out) {
  out.completions.push_back(
      {.kind = Completion::Kind::kLock, .token = token, .lock = id, .status = status});
}

template <Defect kDefect>
void BasicFileState<kDefect>::drop_waiting(const OpenRecord& open, Outcome& out) {
  if (locks_.has_waiting()) {
    for (const ByteRangeLocks::Waiter& waiter : locks_.drop_waiting(open.token)) {
      end_lock_wait(open.token, waiter.id, NtStatus::kRangeNotLocked, out);
    }
  }
  const auto is_of_open = [&](const Waiter& waiter) { return waiter.token == open.token; };
  for (const auto& waiter : take_waiters(is_of_open)) {
    if (waiter->lock) end_lock_wait(open.token, waiter->lock->id, NtStatus::kRangeNotLocked, out);
  }
}

template <Defect kDefect>
void BasicFileState<kDefect>::count_in(OpenRecord& open) {
  const bool is_data_open = (open.access & ~kStatAccessForOplocks) != 0;
  share_.add(open.access, open.share);
  open.link->opens++;
  if (is_data_open) data_opens_++;
  if (open.disconnected) list_disconnected(open);
  if (Lease* const lease = open.lease) {
    lease->opens++;
    if (is_data_open) lease->data_opens++;
    if (!open.disconnected) lease->connected_opens++;
  }
}

template <Defect kDefect>
void BasicFileState<kDefect>::count_out(OpenRecord& open) {
  const bool is_data_open = (open.access & ~kStatAccessForOplocks) != 0;
  share_.remove(open.access, open.share);
  open.link->opens--;
  if (is_data_open) data_opens_--;
  if (open.disconnected) unlist_disconnected(open);
  if (Lease* const lease = open.lease) {
    lease->opens--;
    if (is_data_open) lease->data_opens--;
    if (!open.disconnected) lease->connected_opens--;
  }
}

template <Defect kDefect>
CloseResult BasicFileState<kDefect>::remove(OpenRecord& open, Outcome& out) {
  Link& link = *open.link;
  drop_waiting(open, out);
  if (!locks_.empty()) {
    locks_.unlock_all(open.token);
    complete_locks(out);
  }
  if (open.delete_on_close && kDefect != Defect::kDeleteOnCloseIgnored) {
    mark_deleted(link, true, open.deleter);
    if (open.deletes_by_posix && key_.stream == 0) link.unlinks_by_posix = true;
  }
  const bool unlinks = link.delete_pending && link.unlinks_by_posix && open.deletes_by_posix;
  bool break_ended = open.holder.breaking;
  unlist(open.holder);
  count_out(open);
  if (Lease* lease = open.lease; lease && lease->opens == 0) {
    break_ended = lease->holder.breaking;
    unlist(lease->holder);
    ended_leases_.push_back(lease->id);
    if (parts_) parts_->remove(lease->part);
    leases_.take(*lease);
  }
  if (parts_) parts_->remove(open.part);
  opens_.take(open);
  if (break_ended) release_waiters(out);
  CloseResult left{.last_open = opens_.empty(),
                   .delete_stream = opens_.empty() && delete_pending_,
                   .delete_link = link.opens == 0 && link.is_deleted_by_last()};
  left.unlink = unlinks && link.opens != 0 && link.is_deleted_by_last();
  if (left.deletes() || left.unlink) {
    left.path = link.path;
    left.link_deleters = link.deleters;
    left.stream_deleters = deleters_;
  }
  // One that is to be deleted stays until that is done.
  if (link.opens == 0 && !left.delete_link && !link.is_being_unlinked) links_->remove(link);
  return left;
}

template <Defect kDefect>
void BasicFileState<kDefect>::mark_deleted(Link& link, bool deleted, const Deleter& deleter) {
  const bool is_stream = key_.stream != 0;
  bool& is_pending = is_stream ? delete_pending_ : link.delete_pending;
  Deleters& by = is_stream ? deleters_ : link.deleters;
  // Each had the right to, and was told so.
  if (!deleted || !is_pending) by.clear();
  if (deleted) by.add(deleter);
  is_pending = deleted;
  is_stream ? touch_head() : links_->touch(link);
}

template <Defect kDefect>
bool BasicFileState<kDefect>::is_delete_pending(OpenToken token) const {
  const OpenRecord* const open = opens_.find(token);
  return open && (delete_pending_ || open->link->delete_pending);
}

template <Defect kDefect>
void BasicFileState<kDefect>::end_delete(std::string_view path) {
  if (key_.stream != 0) {
    delete_pending_ = false;
    deleters_.clear();
    touch_head();
    return;
  }
  Link* const link = links_->find(path);
  if (!link) return;
  if (link->opens == 0) {
    links_->remove(*link);
  } else if (link->is_being_unlinked) {
    links_->set_removed(path);
  }
}

template <Defect kDefect>
void BasicFileState<kDefect>::keep_name(std::string_view path) {
  if (key_.stream != 0) return end_delete(path);
  Link* const link = links_->find(path);
  if (!link) return;
  if (link->opens == 0) return links_->remove(*link);
  link->delete_pending = link->unlinks_by_posix = link->is_being_unlinked = false;
  link->deleters.clear();
  links_->touch(*link);
}

template <Defect kDefect>
void BasicFileState<kDefect>::take_links(Link& from, Link& to) {
  if (from.opens == 0) return;
  for (const auto& open : opens_) {
    if (open->link != &from) continue;
    open->link = &to;
    from.opens--;
    to.opens++;
    touch(*open);
  }
}

template <Defect kDefect>
void BasicFileState<kDefect>::renamed(OpenToken token, SharedPath path,
                                      std::span<const std::unique_ptr<BasicFileState>> streams,
                                      BasicFileState* main) {
  const OpenRecord* const open = opens_.find(token);
  if (!open || kDefect == Defect::kRenameIsForgotten) return;
  Link& link = *open->link;
  Link* const there = links_->find(*path);
  if (there == &link) return;
  if (there) {
    // Another name of the file was there, and it is one name now.
    take_links(*there, link);
    if (main) main->take_links(*there, link);
    for (const auto& stream : streams) stream->take_links(*there, link);
    links_->remove(*there);
  }
  link.is_removed = false;
  links_->set_path(link, std::move(path));
}

template <Defect kDefect>
Decision BasicFileState<kDefect>::prepare(OpenToken token, Operation operation, Outcome& out) {
  const OpenRecord* open = opens_.find(token);
  if (!open) return Decision::fail(NtStatus::kFileClosed);
  if (counts_.all == 0) return Decision::go();
  const Demand demand = demand_of(operation);
  const Actor actor = actor_of(*open);
  if (!disconnected_.empty()) purge_holders(demand, actor, out);
  if (revoke(demand, actor, out)) {
    return wait(token, Completion::Kind::kRetryOperation, open->account);
  }
  return Decision::go();
}

// [MS-FSA] 2.1.5.15.12 "FileRenameInformation", for what is open below the directory.
template <Defect kDefect>
Decision BasicFileState<kDefect>::take_handles(OpenToken waiter, Outcome& out) {
  return take_from_all(demand_of(Operation::kRename), waiter, out);
}

// [MS-FSA] 2.1.5.15.12 "FileRenameInformation", for each stream of the file in the way. Whether it
// is still open then is what is asked next, so that what clients keep open for themselves only has
// to be closed by then.
template <Defect kDefect>
Decision BasicFileState<kDefect>::take_all(OpenToken waiter, Outcome& out) {
  constexpr Caching kAll = Caching::kReadWriteHandle;
  return take_from_all({.from_leases = kAll,
                        .from_oplocks = kAll,
                        .oplocks_with = kAll,
                        .wait_for = Caching::kWrite | Caching::kHandle},
                       waiter, out);
}

template <Defect kDefect>
Decision BasicFileState<kDefect>::take_from_all(const Demand& demand, OpenToken waiter,
                                                Outcome& out) {
  if (counts_.all == 0) return Decision::go();
  if (!disconnected_.empty()) purge_holders(demand, Actor{}, out);
  if (revoke(demand, Actor{}, out)) return wait(waiter, Completion::Kind::kRetryOperation, {});
  return Decision::go();
}

// [MS-FSA] 2.1.5.15.3 "FileDispositionInformation".
template <Defect kDefect>
Decision BasicFileState<kDefect>::set_delete_pending(OpenToken token, bool delete_pending,
                                                     DeleteSemantics semantics, Outcome& out,
                                                     const Deleter& deleter) {
  OpenRecord* open = opens_.find(token);
  if (!open) return Decision::fail(NtStatus::kFileClosed);
  if (delete_pending) {
    const Actor actor = actor_of(*open);
    if (!disconnected_.empty()) purge_holders(demand_of_delete(), actor, out);
    if (revoke(demand_of_delete(), actor, out)) {
      return wait(token, Completion::Kind::kRetryOperation, open->account);
    }
  }
  mark_deleted(*open->link, delete_pending, deleter);
  if (kDefect == Defect::kPendingForAllLinks) {
    links_->for_each(
        [&](const Link& link) { const_cast<Link&>(link).delete_pending = delete_pending; });
  }
  const bool by_posix = delete_pending && semantics == DeleteSemantics::kPosix && key_.stream == 0;
  if (key_.stream == 0) open->link->unlinks_by_posix = by_posix;
  if (by_posix || !open->delete_on_close) open->deletes_by_posix = by_posix;
  touch(*open);
  return Decision::go();
}

// [MS-FSCC] 2.4.12 "FileDispositionInformationEx", FILE_DISPOSITION_ON_CLOSE.
template <Defect kDefect>
Decision BasicFileState<kDefect>::set_delete_on_close(OpenToken token, bool delete_on_close,
                                                      DeleteSemantics semantics) {
  OpenRecord* open = opens_.find(token);
  if (!open) return Decision::fail(NtStatus::kFileClosed);
  if (!open->delete_on_close) return Decision::fail(NtStatus::kNotSupported);
  open->delete_on_close = delete_on_close;
  open->deletes_by_posix = delete_on_close && semantics == DeleteSemantics::kPosix;
  touch(*open);
  return Decision::go();
}

template <Defect kDefect>
NtStatus BasicFileState<kDefect>::check_sharing(OpenToken token, uint32_t access) const {
  const OpenRecord* open = opens_.find(token);
  if (!open) return NtStatus::kFileClosed;
  ShareModes others = share_;
  others.remove(open->access, open->share);
  return others.denies(access) ? NtStatus::kSharingViolation : NtStatus::kSuccess;
}

template <Defect kDefect>
bool BasicFileState<kDefect>::is_open_beside(OpenToken token) const {
  return std::ranges::any_of(opens_, [&](const auto& open) { return open->token != token; });
}

template <Defect kDefect>
bool BasicFileState<kDefect>::is_open_with(uint32_t access) const {
  return share_.is_open_with(access);
}

template <Defect kDefect>
bool BasicFileState<kDefect>::is_open_elsewhere(store::WorkerTag here) const {
  return std::ranges::any_of(
      opens_, [&](const auto& open) { return store::WorkerTag::of(open->token.value) != here; });
}

}  // namespace braid::filestate
