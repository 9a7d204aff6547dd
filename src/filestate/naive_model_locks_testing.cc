// The model's rules for locks and lost connections; see naive_model_testing.h.
#include "filestate/naive_model_testing.h"

namespace braid::filestate {
namespace {

using Wide = unsigned __int128;

bool overlap(const LockRange& a, const LockRange& b) {
  const Wide a_from = a.offset, a_to = a_from + a.length;
  const Wide b_from = b.offset, b_to = b_from + b.length;
  if (a.length == 0 && b.length == 0) return false;
  if (a.length == 0) return b_from < a_from && a_from < b_to;
  if (b.length == 0) return a_from < b_from && b_from < a_to;
  return a_from < b_to && b_from < a_to;
}

bool valid(const LockRange& range) {
  return Wide{range.offset} + range.length <= (Wide{1} << 64) || range.length == 0;
}

}  // namespace

bool NaiveModel::lock_conflict(OpenToken token, const LockRange& range) const {
  return std::ranges::any_of(locks_, [&](const Held& held) {
    if (!overlap(held.range, range)) return false;
    if (range.exclusive) return true;
    return held.range.exclusive && held.token != token;
  });
}

void NaiveModel::grant_locks(Outcome& out) {
  std::vector<LockWaiter> still;
  for (const LockWaiter& waiter : lock_waiters_) {
    if (lock_conflict(waiter.token, waiter.range)) {
      still.push_back(waiter);
      continue;
    }
    locks_.push_back({waiter.token, waiter.range});
    if (waiter.sequence.index != 0) {
      find(waiter.token)->sequences[waiter.sequence.index].number = waiter.sequence.number;
    }
    out.completions.push_back(
        {.kind = Completion::Kind::kLock, .token = waiter.token, .lock = waiter.id});
  }
  lock_waiters_ = std::move(still);
}

std::optional<NtStatus> NaiveModel::begin(Open& open, const std::optional<LockSequence>& sequence,
                                          Outcome& out) {
  if (!sequence || sequence->index < 1 || sequence->index > 64) return std::nullopt;
  const auto newer = [](uint16_t a, uint16_t b) { return static_cast<int16_t>(a - b) > 0; };
  const auto seen = open.sequences.find(sequence->index);
  if (seen != open.sequences.end()) {
    if (seen->second.number == sequence->number) return NtStatus::kSuccess;
    const auto& used = seen->second.channel_sequence;
    if (used && newer(*used, sequence->channel_sequence)) {
      return NtStatus::kFileNotAvailable;
    }
  }
  open.sequences[sequence->index] = {-1, sequence->channel_sequence};
  std::erase_if(lock_waiters_, [&](const LockWaiter& waiter) {
    if (waiter.token != open.request.token || waiter.sequence.index != sequence->index ||
        !newer(sequence->channel_sequence, waiter.sequence.channel_sequence)) {
      return false;
    }
    out.completions.push_back({.kind = Completion::Kind::kLock,
                               .token = waiter.token,
                               .lock = waiter.id,
                               .status = NtStatus::kFileNotAvailable});
    return true;
  });
  return std::nullopt;
}

Decision NaiveModel::lock(OpenToken token, std::span<const LockRange> ranges, bool fail_immediately,
                          LockId id, const std::optional<LockSequence>& sequence, Outcome& out) {
  Open* open = find(token);
  if (!open) return Decision::fail(NtStatus::kFileClosed);
  if (open->request.is_directory) return Decision::fail(NtStatus::kInvalidParameter);
  const bool checked = sequence && sequence->index >= 1 && sequence->index <= 64;
  if (const auto over = begin(*open, sequence, out)) {
    return *over == NtStatus::kSuccess ? Decision::go() : Decision::fail(*over);
  }
  if (!std::ranges::all_of(ranges, valid)) return Decision::fail(NtStatus::kInvalidLockRange);
  const Decision prepared = operate(token, Cause::kWrite, out);
  if (prepared.verdict == Verdict::kWait) {
    waiting_.back() = {.token = token,
                       .kind = Completion::Kind::kLock,
                       .ranges = {ranges.begin(), ranges.end()},
                       .fail_immediately = fail_immediately,
                       .id = id,
                       .sequence = sequence};
    return prepared;
  }
  open = find(token);
  const std::vector<Held> before = locks_;
  for (const LockRange& range : ranges) {
    if (!lock_conflict(token, range)) {
      locks_.push_back({token, range});
      continue;
    }
    locks_ = before;
    if (fail_immediately || ranges.size() != 1) return Decision::fail(NtStatus::kLockNotGranted);
    lock_waiters_.push_back({token, id, range, checked ? *sequence : LockSequence{}});
    return Decision::wait();
  }
  if (checked) open->sequences[sequence->index].number = sequence->number;
  return Decision::go();
}

NtStatus NaiveModel::unlock(OpenToken token, std::span<const LockRange> ranges,
                            const std::optional<LockSequence>& sequence, Outcome& out) {
  Open* open = find(token);
  if (!open) return NtStatus::kFileClosed;
  if (open->request.is_directory) return NtStatus::kInvalidParameter;
  const bool checked = sequence && sequence->index >= 1 && sequence->index <= 64;
  if (const auto over = begin(*open, sequence, out)) return *over;
  NtStatus status = NtStatus::kSuccess;
  for (const LockRange& range : ranges) {
    if (!valid(range)) {
      status = NtStatus::kInvalidLockRange;
      break;
    }
    int which = -1;
    for (size_t i = 0; i < locks_.size(); ++i) {
      const Held& held = locks_[i];
      if (held.token != token || held.range.offset != range.offset ||
          held.range.length != range.length) {
        continue;
      }
      which = static_cast<int>(i);
      if (held.range.exclusive) break;
    }
    if (which < 0) {
      status = NtStatus::kRangeNotLocked;
      break;
    }
    locks_.erase(locks_.begin() + which);
  }
  if (status == NtStatus::kSuccess && checked)
    open->sequences[sequence->index].number = sequence->number;
  grant_locks(out);
  return status;
}

bool NaiveModel::cancel_lock(OpenToken token, LockId id) {
  return std::erase_if(
             lock_waiters_,
             [&](const LockWaiter& waiter) { return waiter.token == token && waiter.id == id; }) +
             std::erase_if(waiting_,
                           [&](const Waiting& each) {
                             return each.token == token && each.kind == Completion::Kind::kLock &&
                                    each.id == id;
                           }) !=
         0;
}

NtStatus NaiveModel::check_io(OpenToken token, uint64_t offset, uint64_t length, bool write) const {
  for (const Held& held : locks_) {
    if (length == 0) break;
    const Wide from = held.range.offset, to = from + held.range.length;
    const bool meets = held.range.length == 0 ? Wide{offset} < from && from < Wide{offset} + length
                                              : Wide{offset} < to && from < Wide{offset} + length;
    if (!meets) continue;
    if (held.range.exclusive ? held.token != token : write) return NtStatus::kFileLockConflict;
  }
  return NtStatus::kSuccess;
}

Caching NaiveModel::caching_of(OpenToken token) const {
  const Open* open = find(token);
  const Claim* claim = open ? claim_of(*open) : nullptr;
  return claim ? claim->now : Caching::kNone;
}

bool NaiveModel::set_durability(OpenToken token, Durability durability) {
  Open* open = find(token);
  if (!open) return false;
  if (durability == Durability::kDurable && !has(caching_of(token), Caching::kHandle)) return false;
  open->durability = durability;
  return true;
}

bool NaiveModel::disconnect(OpenToken token, Outcome& out) {
  Open* open = find(token);
  if (!open || open->disconnected || open->durability == Durability::kNone) return false;
  if (open->durability == Durability::kDurable) {
    const Claim* claim = claim_of(*open);
    if (!claim || claim->breaking || !has(claim->now, Caching::kHandle)) return false;
  }
  forget_waiting(token, out);
  return open->disconnected = true;
}

bool NaiveModel::reconnect(OpenToken token, SessionId session, Outcome& out) {
  Open* open = find(token);
  if (!open || !open->disconnected) return false;
  open->disconnected = false;
  open->request.session_id = session;
  for (auto& [index, sequence] : open->sequences) sequence.channel_sequence.reset();
  Claim* claim = claim_of(*open);
  if (!claim) return true;
  if (!claim->is_lease) claim->session = session;
  if (std::exchange(claim->owed, false)) {
    claim->told = claim->wanted;
    tell(*claim, claim->told, true, out);
  }
  return true;
}

NtStatus NaiveModel::check_sharing(OpenToken token, uint32_t access) const {
  if (!find(token)) return NtStatus::kFileClosed;
  OpenRequest asks;
  asks.granted_access = access;
  asks.share_access = kShareRead | kShareWrite | kShareDelete;
  return std::ranges::any_of(opens_,
                             [&](const Open& open) {
                               return open.request.token != token && collide(open.request, asks);
                             })
             ? NtStatus::kSharingViolation
             : NtStatus::kSuccess;
}

}  // namespace braid::filestate
