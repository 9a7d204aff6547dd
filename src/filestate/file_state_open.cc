// FileState: an open, and what caching it is granted.
#include <memory>
#include <string_view>
#include <utility>

#include "filestate/file_state.h"

namespace braid::filestate {

// [MS-FSA] 2.1.5.1.2 "Open of an Existing File": delete pending, sharing, oplock break, grant.
OpenDecision FileState::open(const OpenRequest& request, Outcome& out) {
  OpenDecision decision;
  const std::string_view path = request.path ? std::string_view(*request.path) : "";
  const auto is_pending = [&] {
    if (delete_pending_) return true;
    if (is_planted(Defect::kPendingNameIsOpened)) return false;
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
    if (keeps_out_all() || (violation && !purge_sharers(request, out)) ||
        !purge_holders(demand, actor, out, &request)) {
      decision.decision = Decision::fail(NtStatus::kFileNotAvailable);
      return decision;
    }
    if (is_pending()) {  // one that went had been opened to delete on close
      decision.decision = Decision::fail(NtStatus::kDeletePending);
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
  } else if (const bool is_moved = request.path && link->key() != path;
             is_moved || link->is_sole != request.is_sole_name) {
    // Something local has moved it, made another one, or removed that.
    if (is_moved) links_->set_path(*link, request.path);
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
Caching FileState::grantable(Caching wanted, const OpenRequest& request, bool is_lease,
                             const Lease* own) const {
  if (request.is_directory) wanted = wanted - Caching::kWrite;
  if (!is_grantable(wanted)) return Caching::kNone;

  Counts others = counts_;
  uint32_t others_data_opens = data_opens_;
  if (own) {
    others_data_opens -= own->data_opens;
    if (own->holder.is_listed()) {
      others.all--;
      if (has(own->holder.state, Caching::kWrite) || own->holder.exclusive_break) others.write--;
    }
  }
  // An attribute-only open breaks nothing and so can meet an exclusive holder.
  if (others.write != 0) return Caching::kNone;
  if ((others_data_opens != 0 || others.all != 0) &&
      !is_planted(Defect::kGrantsWriteBesideOthers)) {
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
void FileState::grant_lease(const OpenRequest& request, OpenRecord& open, OpenDecision& decision) {
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
  } else if (decision.before = lease->holder.state; !lease->holder.breaking) {
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

LeaseGrant FileState::grant_of(const Lease& lease) {
  return {.key = lease.id.key,
          .state = lease.holder.state,
          .break_in_progress = lease.holder.breaking,
          .version = lease.version,
          .epoch = lease.epoch,
          .parent_key = lease.parent_key};
}

void FileState::grant_oplock(const OpenRequest& request, OpenRecord& open, OpenDecision& decision) {
  const Caching wanted = filestate::caching_of(request.requested_oplock);
  const Caching state = grantable(wanted, request, false, nullptr);
  open.holder.open = &open;
  set_state(open.holder, state);
  if (has(state, Caching::kWrite)) open.oplock = request.requested_oplock;
  decision.oplock = open.oplock;
}

}  // namespace braid::filestate
