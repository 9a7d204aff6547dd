// BasicFileState: taking caching away, and what clients answer. Included by file_state_inl.h only.
#pragma once

#include "filestate/file_state.h"

namespace braid::filestate {

// [MS-FSA] 2.1.4.12 "Algorithm to Check for an Oplock Break": BreakCacheState, BreakToTwo,
// BreakToNone and what is waited for, by operation. Without R nothing is left of a lease, so
// taking R takes all.
template <Defect kDefect>
auto BasicFileState<kDefect>::demand_of(Operation operation) -> Demand {
  switch (operation) {
    case Operation::kRead:
    case Operation::kFlush:
      return {.from_leases = Caching::kWrite,
              .from_oplocks = Caching::kWrite,
              .oplocks_with = Caching::kWrite,
              .wait_for = Caching::kWrite};
    case Operation::kWrite:
    case Operation::kSetSize:
    case Operation::kZeroData:
      return {.from_leases =
                  kDefect == Defect::kKeepsReadOnWrite ? Caching::kWrite : Caching::kReadWrite,
              .from_oplocks = Caching::kReadWrite,
              .oplocks_with = Caching::kReadWrite,
              .wait_for = Caching::kWrite,
              .own_level_two = true};
    case Operation::kRename:
      return {.from_leases = Caching::kHandle,
              .from_oplocks = Caching::kReadWriteHandle,
              .oplocks_with = Caching::kHandle,
              .wait_for = Caching::kHandle};
    case Operation::kSetSecurity:
      break;
  }
  return demand_of_delete();
}

// FileDispositionInformation and SET_SECURITY: handle caching of leases.
template <Defect kDefect>
auto BasicFileState<kDefect>::demand_of_delete() -> Demand {
  return {.from_leases = Caching::kHandle, .wait_for = Caching::kHandle};
}

// OPEN and OPEN_BREAK_H. A sharing violation asks for handles to be given back first; whether it
// then still stands is seen when the open is tried again.
template <Defect kDefect>
auto BasicFileState<kDefect>::demand_of(const OpenRequest& request, bool violation) -> Demand {
  if (violation) {
    return {.from_leases = Caching::kHandle,
            .from_oplocks =
                request.overwrites ? Caching::kReadWriteHandle : Caching::kWrite | Caching::kHandle,
            .oplocks_with = Caching::kHandle,
            .wait_for = Caching::kHandle};
  }
  const bool harmless_for_leases =
      !request.overwrites && (request.granted_access & ~kStatAccessForLeases) == 0;
  const bool harmless_for_oplocks =
      !request.overwrites && (request.granted_access & ~kStatAccessForOplocks) == 0;
  Demand demand;
  Caching taken = request.overwrites ? Caching::kReadWrite : Caching::kWrite;
  demand.wait_for = Caching::kWrite;
  // The close of this open will delete the name: who keeps a handle hears of it, and nobody waits.
  if (request.delete_on_close) taken = taken | Caching::kHandle;
  if (!harmless_for_leases) demand.from_leases = taken;
  if (!harmless_for_oplocks) demand.from_oplocks = demand.oplocks_with = taken;
  return demand;
}

template <Defect kDefect>
auto BasicFileState<kDefect>::actor_of(const OpenRecord& open) -> Actor {
  Actor actor{.lease = std::nullopt, .open = &open};
  if (open.lease) actor.lease = open.lease->id;
  return actor;
}

template <Defect kDefect>
bool BasicFileState<kDefect>::spares(const Holder& holder, const Demand& demand,
                                     const Actor& actor) {
  // [MS-FSA] 2.1.4.12.2 "Algorithm to Compare Oplock Keys".
  if (holder.lease) {
    return kDefect != Defect::kBreaksOwnLease && actor.lease && holder.lease->id == *actor.lease;
  }
  return actor.open && holder.open == actor.open &&
         !(demand.own_level_two && holder.state == Caching::kRead);
}

template <Defect kDefect>
bool BasicFileState<kDefect>::revoke(const Demand& demand, const Actor& actor, Outcome& out) {
  const Caching anything = demand.from_leases | demand.oplocks_with;
  const uint32_t in_the_way = has(anything, Caching::kRead)
                                  ? counts_.all
                                  : (has(anything, Caching::kWrite) ? counts_.write : 0) +
                                        (has(anything, Caching::kHandle) ? counts_.handle : 0);
  if (in_the_way == 0) return false;

  bool must_wait = false;
  // Backwards: a holder that drops out is replaced by the last, which has had its turn.
  for (size_t i = holders_.size(); i-- > 0;) {
    Holder& holder = *holders_[i];
    if (!spares(holder, demand, actor)) must_wait |= revoke_from(holder, demand, out);
  }
  return must_wait;
}

template <Defect kDefect>
Caching BasicFileState<kDefect>::what_is_left(const Holder& holder, Caching of, Caching taken) {
  const Caching left = of - taken;
  if (!has(left, Caching::kRead)) return Caching::kNone;
  return holder.lease ? left : Caching::kRead;
}

template <Defect kDefect>
bool BasicFileState<kDefect>::revoke_from(Holder& holder, const Demand& demand, Outcome& out) {
  const Caching trigger = holder.lease ? demand.from_leases : demand.oplocks_with;
  const Caching taken = holder.lease ? demand.from_leases : demand.from_oplocks;
  if (!any(trigger)) return false;

  if (holder.breaking) {
    // Not told again now: the acknowledgement of the break under way is met with the next one.
    if (any(holder.required & trigger)) {
      holder.required = what_is_left(holder, holder.required, taken);
      touch(holder);
    }
    if (holder.exclusive_break) {
      return has(demand.wait_for, Caching::kWrite) ||
             (has(demand.wait_for, Caching::kHandle) && has(holder.state, Caching::kHandle));
    }
    return any(holder.state & demand.wait_for);
  }

  if (!any(holder.state & trigger)) return false;
  const bool must_wait = any(holder.state & demand.wait_for);
  if (holder.state == Caching::kRead) {
    tell_none(holder, out);
  } else {
    start_break(holder, what_is_left(holder, holder.state, taken), out);
  }
  return must_wait;
}

// [MS-SMB2] 3.3.4.6 "Object Store Indicates an Oplock Break" and 3.3.4.7 "... a Lease Break".
template <Defect kDefect>
void BasicFileState<kDefect>::start_break(Holder& holder, Caching target, Outcome& out) {
  holder.break_to = target;
  holder.required = target;
  if (holder.lease && holder.lease->version == 2 && kDefect != Defect::kEpochStandsStill) {
    holder.lease->epoch++;
  }
  set_state(holder, holder.state, /*breaking=*/true, has(holder.state, Caching::kWrite));
  notify(holder, target, /*ack_required=*/true, out);
}

// Read caching alone ends at once and wants no answer.
template <Defect kDefect>
void BasicFileState<kDefect>::tell_none(Holder& holder, Outcome& out) {
  if (holder.lease && holder.lease->version == 2) holder.lease->epoch++;
  notify(holder, Caching::kNone, /*ack_required=*/false, out);
  if (holder.open) holder.open->told_none = true;
  set_state(holder, Caching::kNone);
}

template <Defect kDefect>
void BasicFileState<kDefect>::notify(Holder& holder, Caching target, bool ack_required,
                                     Outcome& out) {
  Break& notification = out.breaks.emplace_back();
  notification.ack_required = ack_required;
  notification.id.file = key_;
  if (ack_required) {
    breaks_.erase(holder.break_serial);
    notification.id.serial = ++last_break_serial_;
    touch_head();
    holder.break_serial = last_break_serial_;
    breaks_.emplace(holder.break_serial, &holder);
  }
  notification.current_state = holder.state;
  notification.new_state = target;
  if (holder.lease) {
    notification.is_lease = true;
    notification.holder = holder.lease->last_open;
    notification.lease = holder.lease->id;
    notification.new_epoch = holder.lease->version == 2 ? holder.lease->epoch : 0;
  } else {
    notification.holder = holder.open->token;
    notification.open = holder.open->token;
    notification.persistent_id = holder.open->persistent_id;
    notification.session = holder.open->session;
    notification.new_level = any(target) ? OplockLevel::kLevelII : OplockLevel::kNone;
  }
}

template <Defect kDefect>
void BasicFileState<kDefect>::finish_break(Holder& holder, Caching state, Outcome& out) {
  set_state(holder, state);
  if (kDefect != Defect::kForgetsWaiters) release_waiters(out);
}

template <Defect kDefect>
void BasicFileState<kDefect>::release_waiters(Outcome& out) {
  for (const auto& waiter : take_waiters([](const Waiter&) { return true; })) {
    if (!waiter->lock) {
      out.completions.push_back({.kind = waiter->kind, .token = waiter->token});
      continue;
    }
    const PendingLock& pending = *waiter->lock;
    const Decision decision = lock(waiter->token, pending.ranges, pending.fail_immediately,
                                   pending.id, pending.sequence, out);
    if (decision.verdict == Verdict::kWait) continue;
    out.completions.push_back({.kind = Completion::Kind::kLock,
                               .token = waiter->token,
                               .lock = pending.id,
                               .status = decision.status});
  }
}

template <Defect kDefect>
void BasicFileState<kDefect>::set_state(Holder& holder, Caching state, bool breaking,
                                        bool exclusive_break) {
  if (holder.is_listed()) count(holder, ~uint32_t{0});
  if (holder.breaking && !breaking) breaks_.erase(holder.break_serial);
  holder.state = state;
  holder.breaking = breaking;
  holder.exclusive_break = exclusive_break;
  if (holder.open && !breaking) {
    // Only a grant makes an oplock more than level II, and sets the level itself.
    holder.open->oplock = any(state) ? OplockLevel::kLevelII : OplockLevel::kNone;
  }
  if (holder.is_listed()) count(holder, 1);
  if (any(state)) {
    list(holder);
  } else {
    unlist(holder);
  }
  touch(holder);
}

template <Defect kDefect>
void BasicFileState<kDefect>::list(Holder& holder) {
  if (holder.is_listed()) return;
  holder.holder_slot = holders_.size();
  holders_.push_back(&holder);
  count(holder, 1);
  if (holder.breaking) breaks_.emplace(holder.break_serial, &holder);
}

template <Defect kDefect>
void BasicFileState<kDefect>::unlist(Holder& holder) {
  if (!holder.is_listed()) return;
  count(holder, ~uint32_t{0});
  if (holder.breaking) breaks_.erase(holder.break_serial);
  holders_[holder.holder_slot] = holders_.back();
  holders_[holder.holder_slot]->holder_slot = holder.holder_slot;
  holders_.pop_back();
  holder.holder_slot = Holder::kNotListed;
}

template <Defect kDefect>
void BasicFileState<kDefect>::count(const Holder& holder, uint32_t by) {
  counts_.all += by;
  if (has(holder.state, Caching::kWrite) || holder.exclusive_break) counts_.write += by;
  if (has(holder.state, Caching::kHandle)) counts_.handle += by;
  if (holder.open) counts_.oplocks += by;
  if (holder.breaking) counts_.breaking += by;
}

// [MS-SMB2] 3.3.5.22.1 "Processing an Oplock Acknowledgment".
template <Defect kDefect>
OplockAck BasicFileState<kDefect>::ack_oplock(OpenToken token, OplockLevel level, Outcome& out) {
  OpenRecord* open = opens_.find(token);
  if (!open) return {NtStatus::kFileClosed, OplockLevel::kNone};
  Holder& holder = open->holder;
  if (!holder.breaking) {
    // Nobody asked. The text has STATUS_INVALID_DEVICE_STATE for all of them; what an oplock could
    // never become is told apart, as Windows does.
    NtStatus status = NtStatus::kInvalidDeviceState;
    if (level == OplockLevel::kLease) {
      status = NtStatus::kInvalidParameter;
    } else if (open->told_none ||
               (open->oplock == OplockLevel::kLevelII && level != OplockLevel::kNone)) {
      status = NtStatus::kInvalidOplockProtocol;
    }
    return {status, open->oplock};
  }
  const bool legal = level == OplockLevel::kLevelII || level == OplockLevel::kNone ||
                     (level == OplockLevel::kExclusive && open->oplock == OplockLevel::kBatch);
  if (!legal) {
    finish_break(holder, Caching::kNone, out);
    return {level == OplockLevel::kLease ? NtStatus::kInvalidParameter
                                         : NtStatus::kInvalidOplockProtocol,
            OplockLevel::kNone};
  }
  // Level II is kept if it was offered; if more was demanded since, it ends here and now, which
  // [MS-FSA] 2.1.5.19 calls BREAK_TO_TWO_TO_NONE.
  const bool keeps_read = level == OplockLevel::kLevelII && has(holder.break_to, Caching::kRead);
  const bool told_more =
      keeps_read && !has(holder.required, Caching::kRead) && kDefect != Defect::kNoFollowUpBreak;
  if (told_more) {
    holder.state = Caching::kRead;  // for the notification; nobody else sees it
    notify(holder, Caching::kNone, /*ack_required=*/false, out);
    holder.state = filestate::caching_of(open->oplock);
    open->told_none = true;
  }
  finish_break(holder, keeps_read && !told_more ? Caching::kRead : Caching::kNone, out);
  return {NtStatus::kSuccess, open->oplock};
}

// [MS-SMB2] 3.3.5.22.2 "Processing a Lease Acknowledgment".
template <Defect kDefect>
LeaseAck BasicFileState<kDefect>::ack_lease(const LeaseId& id, Caching state, Outcome& out) {
  Lease* lease = leases_.find(id);
  if (!lease) return {NtStatus::kObjectNameNotFound, Caching::kNone};
  Holder& holder = lease->holder;
  if (!holder.breaking) return {NtStatus::kUnsuccessful, holder.state};
  if (!is_subset(state, holder.break_to)) return {NtStatus::kRequestNotAccepted, holder.state};

  const Caching kept = is_grantable(state) ? state : Caching::kNone;
  if (is_subset(kept, holder.required) || kDefect == Defect::kNoFollowUpBreak) {
    finish_break(holder, kept, out);
    return {NtStatus::kSuccess, kept};
  }
  // More was demanded during the break. It goes down one step at a time, read caching last, with
  // the epoch of the first notification, and whoever waits waits for the end of it.
  if (kept == Caching::kRead) {
    set_state(holder, kept, true, holder.exclusive_break);
    notify(holder, Caching::kNone, /*ack_required=*/false, out);
    finish_break(holder, Caching::kNone, out);
  } else {
    holder.break_to = any(holder.required) ? holder.required : Caching::kRead;
    set_state(holder, kept, true, holder.exclusive_break);
    notify(holder, holder.break_to, /*ack_required=*/true, out);
  }
  return {NtStatus::kSuccess, kept};
}

// [MS-SMB2] 3.3.6.1 and 3.3.6.5: who does not answer in time keeps nothing.
template <Defect kDefect>
void BasicFileState<kDefect>::break_timed_out(uint64_t serial, Outcome& out) {
  if (Holder* const holder = breaking(serial)) finish_break(*holder, Caching::kNone, out);
}

// [MS-SMB2] 3.3.4.7: opens that have no connection any more and do not survive that are closed, and
// only then is the break complete. Until the session's end gets there they look connected.
template <Defect kDefect>
bool BasicFileState<kDefect>::break_undelivered(uint64_t serial, Outcome& out) {
  Holder* const found = breaking(serial);
  if (!found) return true;
  Holder& holder = *found;
  const bool is_closing = std::ranges::none_of(opens_, [&](const auto& open) {
    const bool is_holders = holder.lease ? open->lease == holder.lease : open.get() == holder.open;
    return is_holders && (open->disconnected || open->durability == Durability::kResilient);
  });
  if (is_closing) return false;
  finish_break(holder, Caching::kNone, out);
  return true;
}

template <Defect kDefect>
bool BasicFileState<kDefect>::is_breaking(uint64_t serial) const {
  return breaking(serial) != nullptr;
}

template <Defect kDefect>
Holder* BasicFileState<kDefect>::breaking(uint64_t serial) const {
  const auto found = breaks_.find(serial);
  return found == breaks_.end() ? nullptr : found->second;
}

// [MS-FSA] 2.1.4.12 with PARENT_OBJECT: read caching of other directory leases ends, and with it
// the rest; nobody waits.
template <Defect kDefect>
void BasicFileState<kDefect>::child_changed(const std::optional<LeaseId>& actor, Outcome& out) {
  const Demand demand{.from_leases = Caching::kReadWrite};
  purge_holders(demand, {.lease = actor}, out);
  revoke(demand, {.lease = actor}, out);
}

}  // namespace braid::filestate
