// FileState: how a break ends: by what the client answers, by its time-out, by a lost channel.
#include <algorithm>

#include "filestate/file_state.h"

namespace braid::filestate {

// [MS-SMB2] 3.3.5.22.1 "Processing an Oplock Acknowledgment".
OplockAck FileState::ack_oplock(OpenToken token, OplockLevel level, Outcome& out) {
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
      keeps_read && !has(holder.required, Caching::kRead) && !is_planted(Defect::kNoFollowUpBreak);
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
LeaseAck FileState::ack_lease(const LeaseId& id, Caching state, Outcome& out) {
  Lease* lease = leases_.find(id);
  if (!lease) return {NtStatus::kObjectNameNotFound, Caching::kNone};
  Holder& holder = lease->holder;
  if (!holder.breaking) return {NtStatus::kUnsuccessful, holder.state};
  if (!is_subset(state, holder.break_to)) return {NtStatus::kRequestNotAccepted, holder.state};

  const Caching kept = is_grantable(state) ? state : Caching::kNone;
  if (is_subset(kept, holder.required) || is_planted(Defect::kNoFollowUpBreak)) {
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
void FileState::break_timed_out(uint64_t serial, Outcome& out) {
  if (Holder* const holder = breaking(serial)) finish_break(*holder, Caching::kNone, out);
}

// [MS-SMB2] 3.3.4.7: opens that have no connection any more and do not survive that are closed, and
// only then is the break complete. Until the session's end gets there they look connected. One that
// is persistent hears of it when its client is back.
bool FileState::break_undelivered(uint64_t serial, Outcome& out) {
  Holder* const found = breaking(serial);
  if (!found) return true;
  Holder& holder = *found;
  const bool is_closing = std::ranges::none_of(opens_, [&](const auto& open) {
    const bool is_holders = holder.lease ? open->lease == holder.lease : open.get() == holder.open;
    return is_holders && (open->disconnected || open->durability == Durability::kResilient);
  });
  if (is_closing) return false;
  if (is_away(holder)) {
    owe(holder);
    return true;
  }
  finish_break(holder, Caching::kNone, out);
  return true;
}

void FileState::finish_break(Holder& holder, Caching state, Outcome& out) {
  set_state(holder, state);
  if (!is_planted(Defect::kForgetsWaiters)) release_waiters(out);
}

bool FileState::is_breaking(uint64_t serial) const { return breaking(serial) != nullptr; }

Holder* FileState::breaking(uint64_t serial) const {
  const auto found = breaks_.find(serial);
  return found == breaks_.end() ? nullptr : found->second;
}

}  // namespace braid::filestate
