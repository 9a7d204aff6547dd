// The model's rules; see naive_model_testing.h.
#include "filestate/naive_model_testing.h"

namespace braid::filestate {
namespace {

using Cause = NaiveModel::Cause;

}  // namespace

auto NaiveModel::find(OpenToken token) -> Open* {
  for (Open& open : opens_) {
    if (open.request.token == token) return &open;
  }
  return nullptr;
}
auto NaiveModel::find(OpenToken token) const -> const Open* {
  return const_cast<NaiveModel*>(this)->find(token);
}
auto NaiveModel::claim_of(const Open& open) -> Claim* {
  for (Claim& claim : claims_) {
    if (open.has_lease ? claim.is_lease && claim.lease == lease_of(open.request)
                       : !claim.is_lease && claim.token == open.request.token) {
      return &claim;
    }
  }
  return nullptr;
}
auto NaiveModel::claim_of(const Open& open) const -> const Claim* {
  return const_cast<NaiveModel*>(this)->claim_of(open);
}

LeaseId NaiveModel::lease_of(const OpenRequest& request) {
  return {request.client_guid, request.lease->key, request.user};
}

bool NaiveModel::is_stat_for_oplocks(const OpenRequest& request) {
  return is_stat(request) && (request.granted_access & kReadControl) == 0;
}

bool NaiveModel::is_stat(const OpenRequest& request) {
  return (request.granted_access &
          ~(kFileReadAttributes | kFileWriteAttributes | kSynchronize | kReadControl)) == 0;
}

bool NaiveModel::collide(const OpenRequest& there, const OpenRequest& comes) {
  const OpenRequest& a = there;
  OpenRequest b = comes;
  b.granted_access |= b.needed_access;
  const uint32_t reads = kFileReadData | kFileExecute, writes = kFileWriteData | kFileAppendData;
  const uint32_t counted = reads | writes | kDelete;
  if (!(a.granted_access & counted) || !(b.granted_access & counted)) return false;
  const auto refuses = [&](const OpenRequest& one, const OpenRequest& other) {
    return (!(one.share_access & kShareRead) && (other.granted_access & reads)) ||
           (!(one.share_access & kShareWrite) && (other.granted_access & writes)) ||
           (!(one.share_access & kShareDelete) && (other.granted_access & kDelete));
  };
  return refuses(a, b) || refuses(b, a);
}

bool NaiveModel::exempt(const Claim& claim, Cause cause, const Actor& actor) const {
  if (claim.is_lease) return actor.lease == claim.lease;
  if (actor.open != claim.token) return false;
  return !(cause == Cause::kWrite && claim.now == kR);
}

bool NaiveModel::is_reachable(const Claim& claim) const {
  return std::ranges::any_of(
      opens_, [&](const Open& open) { return claim_of(open) == &claim && !open.disconnected; });
}

bool NaiveModel::waits_for(const Open& away, const OpenRequest& comes) const {
  const Claim* claim = claim_of(away);
  return claim && claim->now == kRWH && away.request.client_guid != comes.client_guid;
}

// False: a persistent open is in the way.
bool NaiveModel::purge(Cause cause, const Actor& actor, bool for_leases, bool for_oplocks,
                       const OpenRequest* collides_with, Outcome& out, const OpenRequest* comes) {
  std::vector<OpenToken> tokens;
  for (const Open& open : opens_) {
    if (!open.disconnected || open.durability == Durability::kResilient) continue;
    if (collides_with) {
      if (!collide(open.request, *collides_with)) continue;
    } else {
      const Claim* claim = claim_of(open);
      if (!claim || is_reachable(*claim) || exempt(*claim, cause, actor)) continue;
      if (!(claim->is_lease ? for_leases : for_oplocks)) continue;
      if (!after(cause, claim->is_lease, claim->now)) continue;
    }
    if (open.durability == Durability::kPersistent) {
      if (comes && waits_for(open, *comes)) continue;
      return false;
    }
    tokens.push_back(open.request.token);
  }
  std::ranges::sort(tokens);
  for (const OpenToken token : tokens) {
    CloseResult left = remove(token, out);
    out.purged.push_back({{key_, token}, std::move(left)});
  }
  return true;
}

Caching NaiveModel::can_hold(Caching wanted, bool is_lease, const OpenRequest& request,
                             const std::optional<LeaseId>& own) const {
  if (request.is_directory) wanted = wanted - Caching::kWrite;
  if (wanted != kR && wanted != kRH && wanted != kRW && wanted != kRWH) return kNo;
  bool others = false, write = false, handle = false, oplock = false;
  for (const Open& open : opens_) {
    const bool mine = own && open.has_lease && lease_of(open.request) == *own;
    if (!mine && !is_stat_for_oplocks(open.request)) others = true;
  }
  for (const Claim& claim : claims_) {
    if (own && claim.is_lease && claim.lease == *own) continue;
    if (claim.now == kNo) continue;
    others = true;
    if (has(claim.now, Caching::kWrite) || (claim.breaking && claim.had_write)) write = true;
    if (has(claim.now, Caching::kHandle)) handle = true;
    if (!claim.is_lease) oplock = true;
  }
  if (write) return kNo;
  if (!others && has(wanted, Caching::kWrite)) return wanted;
  wanted = wanted - Caching::kWrite;
  for (const Held& held : locks_) {
    if (held.range.offset < request.allocation_size) return kNo;
  }
  if (is_lease) return oplock ? kR : wanted;
  return handle ? kNo : kR;
}

OpenDecision NaiveModel::open(const OpenRequest& request, Outcome& out) {
  OpenDecision decision;
  const bool has_lease = request.requested_oplock == OplockLevel::kLease && request.lease &&
                         !(request.is_directory && request.lease->version == 1);
  const Actor actor{has_lease ? std::optional(lease_of(request)) : std::nullopt, std::nullopt};
  const auto refuse = [&](NtStatus status) {
    decision.decision = Decision::fail(status);
    return decision;
  };
  if (is_pending(request)) return refuse(NtStatus::kDeletePending);

  const auto violates = [&] {
    return std::ranges::any_of(opens_,
                               [&](const Open& open) { return collide(open.request, request); });
  };
  const auto cause = [&](bool violation) {
    if (violation) return request.overwrites ? Cause::kViolatingOverwrite : Cause::kViolation;
    if (request.delete_on_close) {
      return request.overwrites ? Cause::kDeletingOverwrite : Cause::kDeletingOpen;
    }
    return request.overwrites ? Cause::kOverwrite : Cause::kOpen;
  };
  const auto seen_by_leases = [&](bool violation) {
    return violation || request.overwrites || !is_stat(request);
  };
  const auto seen_by_oplocks = [&](bool violation) {
    return seen_by_leases(violation) || (request.granted_access & kReadControl) != 0;
  };
  bool violation = violates();
  const Cause first = cause(violation);
  for (const Open& open : opens_) {
    if (!open.disconnected || open.durability != Durability::kPersistent) continue;
    const Claim* claim = claim_of(open);
    const bool keeps_handle = claim && (claim->now == kRH || claim->now == kRWH);
    if (!keeps_handle && !open.request.is_directory) return refuse(NtStatus::kFileNotAvailable);
  }
  if (violation && !purge(first, actor, true, true, &request, out, &request)) {
    return refuse(NtStatus::kFileNotAvailable);
  }
  if (!purge(first, actor, seen_by_leases(violation), seen_by_oplocks(violation), nullptr, out,
             &request)) {
    return refuse(NtStatus::kFileNotAvailable);
  }
  if (is_pending(request)) return refuse(NtStatus::kDeletePending);
  violation = violates();
  if (take_away(cause(violation), actor, seen_by_leases(violation), seen_by_oplocks(violation),
                out)) {
    waiting_.push_back({.token = request.token, .kind = Completion::Kind::kRetryOpen});
    decision.decision = Decision::wait();
    return decision;
  }
  if (violation) return refuse(NtStatus::kSharingViolation);

  Open opened{.request = request, .has_lease = has_lease, .sequences = {}};
  if (has_lease) {
    Claim* claim = claim_of(opened);
    if (!claim) {
      Claim fresh{.is_lease = true, .lease = lease_of(request)};
      fresh.now = can_hold(request.lease->state, true, request, std::nullopt);
      fresh.grant.key = request.lease->key;
      fresh.grant.version = request.lease->version;
      if (request.lease->version == 2) {
        fresh.grant.epoch = static_cast<uint16_t>(request.lease->epoch + (fresh.now != kNo));
      }
      fresh.grant.parent_key = request.lease->parent_key;
      claims_.push_back(fresh);
      claim = &claims_.back();
    } else if (!claim->breaking) {
      Caching wanted = request.lease->state;
      if (request.is_directory) wanted = wanted - Caching::kWrite;
      if (wanted != claim->now && is_subset(claim->now, wanted) && wanted != kNo &&
          can_hold(wanted, true, request, claim->lease) == wanted) {
        claim->now = wanted;
        if (claim->grant.version == 2) claim->grant.epoch++;
      }
    }
    decision.oplock = OplockLevel::kLease;
    decision.lease = claim->grant;
    decision.lease->state = claim->now;
    decision.lease->break_in_progress = claim->breaking;
  } else if (!request.is_directory && request.requested_oplock != OplockLevel::kLease &&
             request.requested_oplock != OplockLevel::kNone) {
    const OplockLevel level = request.requested_oplock;
    const Caching got = can_hold(level == OplockLevel::kLevelII     ? kR
                                 : level == OplockLevel::kExclusive ? kRW
                                                                    : kRWH,
                                 false, request, std::nullopt);
    Claim claim{.token = request.token, .session = request.session_id, .now = got};
    claim.batch = got == kRWH;
    claims_.push_back(claim);
    decision.oplock = got == kNo ? OplockLevel::kNone : got == kR ? OplockLevel::kLevelII : level;
  }
  Name* name = name_for(request);
  if (!name) {
    names_.push_back({.number = ++last_name_, .path = *request.path});
    name = &names_.back();
  }
  name->path = *request.path;
  name->sole = request.is_sole_name;
  opened.name = name->number;
  opens_.push_back(opened);
  return decision;
}

void NaiveModel::release(Outcome& out) {
  for (const Waiting& each : std::exchange(waiting_, {})) {
    if (each.kind != Completion::Kind::kLock) {
      out.completions.push_back({.kind = each.kind, .token = each.token});
      continue;
    }
    const Decision decision =
        lock(each.token, each.ranges, each.fail_immediately, each.id, each.sequence, out);
    if (decision.verdict == Verdict::kWait) continue;
    out.completions.push_back({.kind = Completion::Kind::kLock,
                               .token = each.token,
                               .lock = each.id,
                               .status = decision.status});
  }
}

void NaiveModel::end_break(Claim& claim, Caching state, Outcome& out) {
  claim.now = state;
  claim.breaking = claim.had_write = claim.owed = false;
  release(out);
}

void NaiveModel::forget_waiting(OpenToken token, Outcome& out) {
  const auto no_lock = [&](LockId id) {
    out.completions.push_back({.kind = Completion::Kind::kLock,
                               .token = token,
                               .lock = id,
                               .status = NtStatus::kRangeNotLocked});
  };
  std::erase_if(lock_waiters_, [&](const LockWaiter& waiter) {
    if (waiter.token != token) return false;
    no_lock(waiter.id);
    return true;
  });
  std::erase_if(waiting_, [&](const Waiting& each) {
    if (each.token != token) return false;
    if (each.kind == Completion::Kind::kLock) no_lock(each.id);
    return true;
  });
}

CloseResult NaiveModel::remove(OpenToken token, Outcome& out) {
  forget_waiting(token, out);
  std::erase_if(locks_, [&](const Held& held) { return held.token == token; });
  grant_locks(out);

  const Open gone = *find(token);
  Name& name = *std::ranges::find(names_, gone.name, &Name::number);
  if (gone.request.delete_on_close) name.pending = true;
  std::erase_if(opens_, [&](const Open& open) { return open.request.token == token; });
  CloseResult left{.last_open = opens_.empty()};
  if (std::ranges::count(opens_, gone.name, &Open::name) == 0) {
    left.delete_link = name.pending && !name.removed;
    if (left.delete_link) {
      left.path = std::make_shared<const std::string>(name.path);
    } else {
      std::erase_if(names_, [&](const Name& each) { return each.number == gone.name; });
    }
  }
  const Claim* claim = claim_of(gone);
  if (!claim) return left;
  const bool in_use =
      std::ranges::any_of(opens_, [&](const Open& open) { return claim_of(open) == claim; });
  if (in_use) return left;
  const bool was_breaking = claim->breaking;
  claims_.erase(claims_.begin() + (claim - claims_.data()));
  if (was_breaking) release(out);
  return left;
}

CloseResult NaiveModel::close(OpenToken token, Outcome& out) {
  const Open* const found = find(token);
  if (!found) return {};
  const Open gone = *found;
  CloseResult left = remove(token, out);
  if (gone.request.delete_on_close && !left.deletes() && !opens_.empty()) {
    Actor actor;
    if (gone.has_lease) actor.lease = lease_of(gone.request);
    purge(Cause::kDelete, actor, true, true, nullptr, out);
    take_away(Cause::kDelete, actor, true, true, out);
  }
  return left;
}

// The name that an open by this path is of: null if it is a new one.
auto NaiveModel::name_for(const OpenRequest& request) -> Name* {
  for (Name& name : names_) {
    if (!name.removed && name.path == *request.path) return &name;
  }
  const bool one = names_.size() == 1 && request.is_sole_name;
  return one && names_[0].sole && !names_[0].removed ? &names_[0] : nullptr;
}

bool NaiveModel::is_pending(const OpenRequest& request) {
  const Name* const name = name_for(request);
  return name && name->pending;
}

void NaiveModel::end_delete(const std::string& path) {
  std::erase_if(names_, [&](const Name& name) {
    return !name.removed && name.path == path &&
           std::ranges::count(opens_, name.number, &Open::name) == 0;
  });
}

void NaiveModel::renamed(OpenToken token, const std::string& path) {
  const Open* const open = find(token);
  if (!open) return;
  const int number = open->name;
  for (const Name& other : names_) {
    if (other.number == number || other.removed || other.path != path) continue;
    for (Open& each : opens_) {
      if (each.name == other.number) each.name = number;
    }
  }
  std::erase_if(names_, [&](const Name& name) {
    return name.number != number && !name.removed && name.path == path;
  });
  Name& name = *std::ranges::find(names_, number, &Name::number);
  name.path = path;
  name.removed = false;
}

void NaiveModel::unlinked(const std::string& path) {
  for (Name& name : names_) {
    const bool is_open = std::ranges::count(opens_, name.number, &Open::name) != 0;
    if (name.removed || name.path != path || !is_open) continue;
    name.removed = true;
    name.pending = false;
  }
}

Decision NaiveModel::operate(OpenToken token, Cause cause, Outcome& out) {
  const Open* open = find(token);
  if (!open) return Decision::fail(NtStatus::kFileClosed);
  Actor actor{.lease = std::nullopt, .open = token};
  if (open->has_lease) actor.lease = lease_of(open->request);
  purge(cause, actor, true, true, nullptr, out);
  if (take_away(cause, actor, true, true, out)) {
    waiting_.push_back({.token = token, .kind = Completion::Kind::kRetryOperation});
    return Decision::wait();
  }
  return Decision::go();
}

Decision NaiveModel::set_delete_pending(OpenToken token, bool pending, Outcome& out) {
  if (!find(token)) return Decision::fail(NtStatus::kFileClosed);
  if (pending) {
    const Decision decision = operate(token, Cause::kDelete, out);
    if (decision.verdict != Verdict::kGo) return decision;
  }
  std::ranges::find(names_, find(token)->name, &Name::number)->pending = pending;
  return Decision::go();
}

void NaiveModel::child_changed(const std::optional<LeaseId>& actor, Outcome& out) {
  purge(Cause::kChild, {actor, std::nullopt}, true, false, nullptr, out);
  take_away(Cause::kChild, {actor, std::nullopt}, true, false, out);
}

bool NaiveModel::cancel_wait(OpenToken token) {
  return std::erase_if(waiting_, [&](const Waiting& each) {
           return each.token == token && each.kind != Completion::Kind::kLock;
         }) != 0;
}

}  // namespace braid::filestate
