// The model's rules for what is taken from whom, and for acknowledgements; see
// naive_model_testing.h.
#include "filestate/naive_model_testing.h"

namespace braid::filestate {
namespace {

using States = std::map<Caching, Caching>;
using Cause = NaiveModel::Cause;

// What a lease goes down to. A state that is not named is not in the way.
const States& of_leases(Cause cause) {
  static const States open{{kRW, kR}, {kRWH, kRH}};
  static const States everything{{kR, kNo}, {kRH, kNo}, {kRW, kNo}, {kRWH, kNo}};
  static const States handle{{kRH, kR}, {kRWH, kRW}};
  static const States write_and_handle{{kRH, kR}, {kRW, kR}, {kRWH, kR}};
  switch (cause) {
    case Cause::kOpen:
    case Cause::kRead:
      return open;
    case Cause::kOverwrite:
    case Cause::kDeletingOverwrite:
    case Cause::kWrite:
    case Cause::kChild:
      return everything;
    case Cause::kDeletingOpen:
      return write_and_handle;
    case Cause::kViolation:
    case Cause::kViolatingOverwrite:
    case Cause::kRename:
    case Cause::kDelete:
      break;
  }
  return handle;
}

// Level II is R, exclusive RW, batch RWH.
const States& of_oplocks(Cause cause) {
  static const States open{{kRW, kR}, {kRWH, kR}};
  static const States everything{{kR, kNo}, {kRW, kNo}, {kRWH, kNo}};
  static const States batch_to_two{{kRWH, kR}};
  static const States batch_to_none{{kRWH, kNo}};
  static const States nothing;
  switch (cause) {
    case Cause::kOpen:
    case Cause::kRead:
    case Cause::kDeletingOpen:
      return open;
    case Cause::kOverwrite:
    case Cause::kDeletingOverwrite:
    case Cause::kWrite:
      return everything;
    case Cause::kViolation:
      return batch_to_two;
    case Cause::kViolatingOverwrite:
    case Cause::kRename:
      return batch_to_none;
    case Cause::kDelete:
    case Cause::kChild:
      break;
  }
  return nothing;
}

bool waits_for_handle(Cause cause) {
  return cause == Cause::kViolation || cause == Cause::kViolatingOverwrite ||
         cause == Cause::kRename || cause == Cause::kDelete;
}

bool waits_for_write(Cause cause) {
  return cause == Cause::kOpen || cause == Cause::kOverwrite || cause == Cause::kRead ||
         cause == Cause::kWrite || cause == Cause::kDeletingOpen ||
         cause == Cause::kDeletingOverwrite;
}

}  // namespace

std::optional<Caching> NaiveModel::after(Cause cause, bool is_lease, Caching state) {
  const States& states = is_lease ? of_leases(cause) : of_oplocks(cause);
  const auto found = states.find(state);
  if (found == states.end()) return std::nullopt;
  return found->second;
}

bool NaiveModel::waits(Cause cause, const Claim& claim) {
  if (waits_for_write(cause) && (has(claim.now, Caching::kWrite) || claim.had_write)) return true;
  return waits_for_handle(cause) && has(claim.now, Caching::kHandle);
}

void NaiveModel::tell(const Claim& claim, Caching to, bool ack, Outcome& out) const {
  Break notification;
  notification.id.file = key_;
  notification.ack_required = ack;
  notification.is_lease = claim.is_lease;
  notification.current_state = claim.now;
  notification.new_state = to;
  if (claim.is_lease) {
    notification.lease = claim.lease;
    notification.new_epoch = claim.grant.version == 2 ? claim.grant.epoch : 0;
  } else {
    notification.open = claim.token;
    notification.session = claim.session;
    notification.new_level = to == kR ? OplockLevel::kLevelII : OplockLevel::kNone;
  }
  out.breaks.push_back(notification);
}

bool NaiveModel::take_away(Cause cause, const Actor& actor, bool for_leases, bool for_oplocks,
                           Outcome& out) {
  bool must_wait = false;
  for (Claim& claim : claims_) {
    if (!(claim.is_lease ? for_leases : for_oplocks) || exempt(claim, cause, actor)) continue;
    // Some causes do not concern oplocks at all, not even one that is breaking.
    if (!claim.is_lease && of_oplocks(cause).empty()) continue;
    if (claim.breaking) {
      if (const auto next = after(cause, claim.is_lease, claim.wanted)) claim.wanted = *next;
      if (waits(cause, claim)) must_wait = true;
      continue;
    }
    const auto next = after(cause, claim.is_lease, claim.now);
    if (!next) continue;
    if (waits(cause, claim)) must_wait = true;
    if (claim.grant.version == 2) claim.grant.epoch++;
    if (claim.now == kR) {
      tell(claim, kNo, false, out);
      claim.now = kNo;
      claim.told_none = true;
    } else {
      const bool persists = std::ranges::any_of(opens_, [&](const Open& open) {
        return claim_of(open) == &claim && open.durability == Durability::kPersistent;
      });
      claim.owed = persists && !is_reachable(claim);
      if (!claim.owed) tell(claim, *next, true, out);
      claim.breaking = true;
      claim.had_write = has(claim.now, Caching::kWrite);
      claim.told = claim.wanted = *next;
    }
  }
  return must_wait;
}

OplockAck NaiveModel::ack_oplock(OpenToken token, OplockLevel level, Outcome& out) {
  const Open* open = find(token);
  if (!open) return {NtStatus::kFileClosed, OplockLevel::kNone};
  Claim* claim = claim_of(*open);
  const NtStatus nothing =
      level == OplockLevel::kLease ? NtStatus::kInvalidParameter : NtStatus::kInvalidDeviceState;
  if (open->has_lease) return {nothing, OplockLevel::kLease};
  if (!claim) return {nothing, OplockLevel::kNone};
  if (!claim->breaking) {
    const OplockLevel held = claim->now == kNo   ? OplockLevel::kNone
                             : claim->now == kR  ? OplockLevel::kLevelII
                             : claim->now == kRW ? OplockLevel::kExclusive
                                                 : OplockLevel::kBatch;
    if (level == OplockLevel::kLease) return {NtStatus::kInvalidParameter, held};
    const bool is_impossible = held == OplockLevel::kLevelII && level != OplockLevel::kNone;
    return {claim->told_none || is_impossible ? NtStatus::kInvalidOplockProtocol
                                              : NtStatus::kInvalidDeviceState,
            held};
  }
  if (level == OplockLevel::kLease) {
    end_break(*claim, kNo, out);
    return {NtStatus::kInvalidParameter, OplockLevel::kNone};
  }
  if (level == OplockLevel::kBatch || (level == OplockLevel::kExclusive && !claim->batch)) {
    end_break(*claim, kNo, out);
    return {NtStatus::kInvalidOplockProtocol, OplockLevel::kNone};
  }
  if (level != OplockLevel::kLevelII || claim->told == kNo) {
    end_break(*claim, kNo, out);
    return {NtStatus::kSuccess, OplockLevel::kNone};
  }
  if (claim->wanted == kNo) {
    claim->now = kR;
    tell(*claim, kNo, false, out);
    claim->told_none = true;
    end_break(*claim, kNo, out);
    return {NtStatus::kSuccess, OplockLevel::kNone};
  }
  end_break(*claim, kR, out);
  return {NtStatus::kSuccess, OplockLevel::kLevelII};
}

LeaseAck NaiveModel::ack_lease(const LeaseId& id, Caching state, Outcome& out) {
  const auto claim = std::ranges::find_if(
      claims_, [&](const Claim& each) { return each.is_lease && each.lease == id; });
  if (claim == claims_.end()) return {NtStatus::kObjectNameNotFound, kNo};
  if (!claim->breaking) return {NtStatus::kUnsuccessful, claim->now};
  if (!is_subset(state, claim->told)) return {NtStatus::kRequestNotAccepted, claim->now};
  const bool sensible = state == kR || state == kRH || state == kRW;
  const Caching kept = sensible ? state : kNo;
  if (is_subset(kept, claim->wanted)) {
    end_break(*claim, kept, out);
  } else if (kept == kR) {
    claim->now = kR;
    tell(*claim, kNo, false, out);
    end_break(*claim, kNo, out);
  } else {
    claim->now = kept;
    claim->told = claim->wanted == kNo ? kR : claim->wanted;
    claim->owed = false;
    tell(*claim, claim->told, true, out);
  }
  return {NtStatus::kSuccess, kept};
}

void NaiveModel::time_out(const Break& notification, Outcome& out) {
  for (Claim& claim : claims_) {
    const bool meant = notification.is_lease ? claim.is_lease && claim.lease == notification.lease
                                             : !claim.is_lease && claim.token == notification.open;
    if (meant && claim.breaking && !claim.owed) end_break(claim, kNo, out);
  }
}

}  // namespace braid::filestate
