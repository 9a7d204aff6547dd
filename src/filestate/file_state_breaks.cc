// FileState: what an operation takes from whom, and what holders are told.
#include <algorithm>

#include "filestate/file_state.h"

namespace braid::filestate {

// [MS-FSA] 2.1.4.12 "Algorithm to Check for an Oplock Break": BreakCacheState, BreakToTwo,
// BreakToNone and what is waited for, by operation. Without R nothing is left of a lease, so
// taking R takes all.
auto FileState::demand_of(Operation operation) -> Demand {
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
                  is_planted(Defect::kKeepsReadOnWrite) ? Caching::kWrite : Caching::kReadWrite,
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
auto FileState::demand_of_delete() -> Demand {
  return {.from_leases = Caching::kHandle, .wait_for = Caching::kHandle};
}

// OPEN and OPEN_BREAK_H. A sharing violation asks for handles to be given back first; whether it
// then still stands is seen when the open is tried again.
auto FileState::demand_of(const OpenRequest& request, bool violation) -> Demand {
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

auto FileState::actor_of(const OpenRecord& open) -> Actor {
  Actor actor{.lease = std::nullopt, .open = &open};
  if (open.lease) actor.lease = open.lease->id;
  return actor;
}

Decision FileState::prepare(OpenToken token, Operation operation, Outcome& out) {
  const OpenRecord* open = opens_.find(token);
  if (!open) return Decision::fail(NtStatus::kFileClosed);
  const Demand demand = demand_of(operation);
  const Actor actor = actor_of(*open);
  purge_holders(demand, actor, out);
  if (revoke(demand, actor, out)) {
    return wait(token, Completion::Kind::kRetryOperation, open->account);
  }
  return Decision::go();
}

// [MS-FSA] 2.1.5.15.12 "FileRenameInformation", for what is open below the directory.
Decision FileState::take_handles(OpenToken waiter, Outcome& out) {
  return take_from_all(demand_of(Operation::kRename), waiter, out);
}

// [MS-FSA] 2.1.5.15.12 "FileRenameInformation", for each stream of the file in the way. Whether it
// is still open then is what is asked next, so that what clients keep open for themselves only has
// to be closed by then.
Decision FileState::take_all(OpenToken waiter, Outcome& out) {
  constexpr Caching kAll = Caching::kReadWriteHandle;
  return take_from_all({.from_leases = kAll,
                        .from_oplocks = kAll,
                        .oplocks_with = kAll,
                        .wait_for = Caching::kWrite | Caching::kHandle},
                       waiter, out);
}

Decision FileState::take_from_all(const Demand& demand, OpenToken waiter, Outcome& out) {
  purge_holders(demand, Actor{}, out);
  if (revoke(demand, Actor{}, out)) return wait(waiter, Completion::Kind::kRetryOperation, {});
  return Decision::go();
}

Caching FileState::held() const {
  Caching all = Caching::kNone;
  for (const Holder* const holder : holders_) all = all | holder->state;
  return all;
}

std::vector<Account> FileState::holders(Caching any_of) const {
  std::vector<Account> accounts;
  for (const Holder* const holder : holders_) {
    if (!any(holder->state & any_of)) continue;
    accounts.push_back(holder->lease ? holder->lease->account : holder->open->account);
  }
  return accounts;
}

// Who is away gives way as to a newcomer.
void FileState::take_for_local(Caching taken, Outcome& out) {
  const Demand demand{
      .from_leases = taken, .from_oplocks = taken, .oplocks_with = taken, .wait_for = taken};
  purge_holders(demand, Actor{}, out);
  revoke(demand, Actor{}, out);
}

OpenDecision FileState::keep_only(OpenToken token, Caching kept, Caching before, Outcome& out) {
  OpenRecord* const open = opens_.find(token);
  if (!open) return {};
  Holder& holder = open->lease ? open->lease->holder : open->holder;
  if (!holder.breaking && any(holder.state - kept)) {
    const Caching left = what_is_left(holder, holder.state, holder.state - kept);
    // What nobody was told of goes without a word, and the rest by a break like any other.
    const Caching told = holder.state & before;
    set_state(holder, left | told);
    if (any(told - left)) {
      told == Caching::kRead ? tell_none(holder, out) : start_break(holder, left, out);
    }
  }
  return grant_of(token);
}

// [MS-FSA] 2.1.4.12 with PARENT_OBJECT: read caching of other directory leases ends, and with it
// the rest; nobody waits.
void FileState::child_changed(const std::optional<LeaseId>& actor, Outcome& out) {
  const Demand demand{.from_leases = Caching::kReadWrite};
  purge_holders(demand, {.lease = actor}, out);
  revoke(demand, {.lease = actor}, out);
}

bool FileState::has_holders_of(const Demand& demand) const {
  const Caching anything = demand.from_leases | demand.oplocks_with;
  if (has(anything, Caching::kRead)) return counts_.all != 0;
  return (has(anything, Caching::kWrite) && counts_.write != 0) ||
         (has(anything, Caching::kHandle) && counts_.handle != 0);
}

bool FileState::takes_nothing(const Demand& demand, const Actor& actor) const {
  if (!has_holders_of(demand)) return true;
  if (!disconnected_.empty()) return false;
  return std::ranges::all_of(holders_,
                             [&](const Holder* holder) { return spares(*holder, demand, actor); });
}

bool FileState::revoke(const Demand& demand, const Actor& actor, Outcome& out) {
  if (!has_holders_of(demand)) return false;

  bool must_wait = false;
  // Backwards: a holder that drops out is replaced by the last, which has had its turn.
  for (size_t i = holders_.size(); i-- > 0;) {
    Holder& holder = *holders_[i];
    if (!spares(holder, demand, actor)) must_wait |= revoke_from(holder, demand, out);
  }
  return must_wait;
}

bool FileState::spares(const Holder& holder, const Demand& demand, const Actor& actor) {
  // [MS-FSA] 2.1.4.12.2 "Algorithm to Compare Oplock Keys".
  if (holder.lease) {
    return !is_planted(Defect::kBreaksOwnLease) && actor.lease && holder.lease->id == *actor.lease;
  }
  return actor.open && holder.open == actor.open &&
         !(demand.own_level_two && holder.state == Caching::kRead);
}

bool FileState::revoke_from(Holder& holder, const Demand& demand, Outcome& out) {
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

Caching FileState::what_is_left(const Holder& holder, Caching of, Caching taken) {
  const Caching left = of - taken;
  if (!has(left, Caching::kRead)) return Caching::kNone;
  return holder.lease ? left : Caching::kRead;
}

// [MS-SMB2] 3.3.4.6 "Object Store Indicates an Oplock Break" and 3.3.4.7 "... a Lease Break".
void FileState::start_break(Holder& holder, Caching target, Outcome& out) {
  holder.break_to = target;
  holder.required = target;
  if (holder.lease && holder.lease->version == 2 && !is_planted(Defect::kEpochStandsStill)) {
    holder.lease->epoch++;
  }
  set_state(holder, holder.state, /*breaking=*/true, has(holder.state, Caching::kWrite));
  if (is_away(holder)) {
    owe(holder);
  } else {
    notify(holder, target, /*ack_required=*/true, out);
  }
}

// Nobody of its client is there, and a persistent open keeps it. [MS-SMB2] 3.3.4.7: the server
// takes no further action.
bool FileState::is_away(const Holder& holder) const {
  if (holder.lease && holder.lease->connected_opens != 0) return false;
  return std::ranges::any_of(disconnected_, [&](const OpenRecord* open) {
    return is_persistent(*open) &&
           (holder.lease ? open->lease == holder.lease : open == holder.open);
  });
}

void FileState::owe(Holder& holder) {
  breaks_.erase(holder.break_serial);
  holder.is_owed = true;
  touch(holder);
}

// [MS-SMB2] 3.3.5.9.7 and 3.3.5.9.12: with all that was demanded since.
void FileState::pay(Holder& holder, Outcome& out) {
  if (!holder.is_owed) return;
  holder.break_to = holder.required;
  notify(holder, holder.break_to, /*ack_required=*/true, out);
  touch(holder);
}

// Read caching alone ends at once and wants no answer.
void FileState::tell_none(Holder& holder, Outcome& out) {
  if (holder.lease && holder.lease->version == 2) holder.lease->epoch++;
  notify(holder, Caching::kNone, /*ack_required=*/false, out);
  if (holder.open) holder.open->told_none = true;
  set_state(holder, Caching::kNone);
}

void FileState::notify(Holder& holder, Caching target, bool ack_required, Outcome& out) {
  Break& notification = out.breaks.emplace_back();
  notification.ack_required = ack_required;
  notification.id.file = key_;
  if (ack_required) {
    holder.is_owed = false;
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

void FileState::set_state(Holder& holder, Caching state, bool breaking, bool exclusive_break) {
  if (holder.is_listed()) count(holder, ~uint32_t{0});
  if (!breaking) breaks_.erase(holder.break_serial);
  holder.state = state;
  holder.breaking = breaking;
  holder.is_owed = holder.is_owed && breaking;
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

void FileState::list(Holder& holder) {
  if (holder.is_listed()) return;
  holder.holder_slot = holders_.size();
  holders_.push_back(&holder);
  count(holder, 1);
  if (holder.breaking && !holder.is_owed) breaks_.emplace(holder.break_serial, &holder);
}

void FileState::unlist(Holder& holder) {
  if (!holder.is_listed()) return;
  count(holder, ~uint32_t{0});
  breaks_.erase(holder.break_serial);
  holders_[holder.holder_slot] = holders_.back();
  holders_[holder.holder_slot]->holder_slot = holder.holder_slot;
  holders_.pop_back();
  holder.holder_slot = Holder::kNotListed;
}

void FileState::count(const Holder& holder, uint32_t by) {
  counts_.all += by;
  if (has(holder.state, Caching::kWrite) || holder.exclusive_break) counts_.write += by;
  if (has(holder.state, Caching::kHandle)) counts_.handle += by;
  if (holder.open) counts_.oplocks += by;
  if (holder.breaking) counts_.breaking += by;
}

}  // namespace braid::filestate
