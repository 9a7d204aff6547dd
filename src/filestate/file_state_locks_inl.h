// BasicFileState: byte-range locks, and opens that outlive their connection. Included by
// file_state_inl.h only.
#pragma once

#include <algorithm>

#include "filestate/file_state.h"

namespace braid::filestate {

// The status of a LOCK that must not be carried out (again).
template <Defect kDefect>
std::optional<NtStatus> BasicFileState<kDefect>::begin_sequence(
    OpenRecord& open, const std::optional<LockSequence>& sequence, Outcome& out) {
  if (!sequence || !LockSequences::is_checked(*sequence)) return std::nullopt;
  touch(open);
  if (!open.lock_sequences) open.lock_sequences = std::make_unique<LockSequences>();
  switch (open.lock_sequences->begin(*sequence)) {
    case LockSequences::Standing::kDone:
      return NtStatus::kSuccess;
    case LockSequences::Standing::kOvertaken:
      if (kDefect == Defect::kOvertakenLockIsTaken) break;
      return NtStatus::kFileNotAvailable;
    case LockSequences::Standing::kNew:
      break;
  }
  // The client no longer listens where it asked for those; granted, nobody would unlock them.
  if (!locks_.has_waiting()) return std::nullopt;
  for (const auto& waiter : locks_.drop_overtaken(open.token, *sequence)) {
    end_lock_wait(open.token, waiter.id, NtStatus::kFileNotAvailable, out);
  }
  return std::nullopt;
}

template <Defect kDefect>
void BasicFileState<kDefect>::end_sequence(OpenRecord& open,
                                           const std::optional<LockSequence>& sequence) {
  if (!sequence || !LockSequences::is_checked(*sequence)) return;
  if (open.lock_sequences) open.lock_sequences->done(*sequence);
  touch(open);
}

// [MS-FSA] 2.1.5.8 "Server Requests a Byte-Range Lock".
template <Defect kDefect>
Decision BasicFileState<kDefect>::lock(OpenToken token, std::span<const LockRange> ranges,
                                       bool fail_immediately, LockId id,
                                       const std::optional<LockSequence>& sequence, Outcome& out) {
  OpenRecord* open = opens_.find(token);
  if (!open) return Decision::fail(NtStatus::kFileClosed);
  if (open->is_directory) return Decision::fail(NtStatus::kInvalidParameter);
  if (const auto over = begin_sequence(*open, sequence, out)) {
    return *over == NtStatus::kSuccess ? Decision::go() : Decision::fail(*over);
  }
  if (!std::ranges::all_of(ranges, ByteRangeLocks::is_valid)) {
    return Decision::fail(NtStatus::kInvalidLockRange);
  }
  const Decision prepared = prepare(token, Operation::kWrite, out);
  if (prepared.verdict == Verdict::kWait) {
    Waiter& waiter = waiters_.back();
    waiter.kind = Completion::Kind::kLock;
    waiter.lock = std::make_unique<PendingLock>(
        PendingLock{{ranges.begin(), ranges.end()}, fail_immediately, id, sequence});
    return prepared;
  }

  const NtStatus status = locks_.lock(token, ranges, open->account);
  if (status == NtStatus::kSuccess) {
    end_sequence(*open, sequence);
    return Decision::go();
  }
  if (status == NtStatus::kLockNotGranted && !fail_immediately && ranges.size() == 1) {
    if (locks_.wait({token, id, ranges[0], sequence.value_or(LockSequence{}), open->account})) {
      return Decision::wait();
    }
    return Decision::fail(NtStatus::kInsufficientResources);
  }
  return Decision::fail(status);
}

template <Defect kDefect>
Decision BasicFileState<kDefect>::lock_part(OpenToken token, std::span<const LockRange> ranges,
                                            const std::optional<LockSequence>& sequence,
                                            LockPart part, bool& is_repeated, Outcome& out) {
  OpenRecord* open = opens_.find(token);
  if (!open) return Decision::fail(NtStatus::kFileClosed);
  if (open->is_directory) return Decision::fail(NtStatus::kInvalidParameter);
  if (part.is_first) {
    if (const auto over = begin_sequence(*open, sequence, out)) {
      is_repeated = *over == NtStatus::kSuccess;
      return is_repeated ? Decision::go() : Decision::fail(*over);
    }
  }
  if (!std::ranges::all_of(ranges, ByteRangeLocks::is_valid)) {
    return Decision::fail(NtStatus::kInvalidLockRange);
  }
  // Others may have come to hold something since the part before.
  if (const Decision prepared = prepare(token, Operation::kWrite, out);
      prepared.verdict != Verdict::kGo) {
    return prepared;
  }
  const NtStatus status = locks_.lock(token, ranges, open->account);
  if (status != NtStatus::kSuccess) return Decision::fail(status);
  if (part.is_last) end_sequence(*open, sequence);
  return Decision::go();
}

template <Defect kDefect>
void BasicFileState<kDefect>::give_back(OpenToken token, std::span<const LockRange> ranges,
                                        Outcome& out) {
  locks_.give_back(token, ranges);
  complete_locks(out);
}

// [MS-FSA] 2.1.5.9 "Server Requests an Unlock of a Byte-Range".
template <Defect kDefect>
NtStatus BasicFileState<kDefect>::unlock(OpenToken token, std::span<const LockRange> ranges,
                                         const std::optional<LockSequence>& sequence,
                                         Outcome& out) {
  bool is_repeated = false;
  return unlock_part(token, ranges, sequence, {}, is_repeated, out);
}

template <Defect kDefect>
NtStatus BasicFileState<kDefect>::unlock_part(OpenToken token, std::span<const LockRange> ranges,
                                              const std::optional<LockSequence>& sequence,
                                              LockPart part, bool& is_repeated, Outcome& out) {
  OpenRecord* open = opens_.find(token);
  if (!open) return NtStatus::kFileClosed;
  if (open->is_directory) return NtStatus::kInvalidParameter;
  if (part.is_first) {
    if (const auto over = begin_sequence(*open, sequence, out)) {
      is_repeated = *over == NtStatus::kSuccess;
      return *over;
    }
  }
  NtStatus status = NtStatus::kSuccess;
  for (const LockRange& range : ranges) {
    status = ByteRangeLocks::is_valid(range) ? locks_.unlock(token, {&range, 1})
                                             : NtStatus::kInvalidLockRange;
    if (status != NtStatus::kSuccess) break;
  }
  if (status == NtStatus::kSuccess && part.is_last) end_sequence(*open, sequence);
  complete_locks(out);
  return status;
}

template <Defect kDefect>
bool BasicFileState<kDefect>::cancel_lock(OpenToken token, LockId id) {
  const OpenRecord* const open = opens_.find(token);
  if (open && locks_.has_waiting() && locks_.cancel(token, id)) return true;
  return !take_waiters([&](const Waiter& waiter) {
            return waiter.token == token && waiter.lock && waiter.lock->id == id;
          }).empty();
}

template <Defect kDefect>
void BasicFileState<kDefect>::complete_locks(Outcome& out) {
  if (!locks_.may_grant()) return;
  for (const ByteRangeLocks::Waiter& waiter : locks_.grant_waiting()) {
    if (OpenRecord* open = opens_.find(waiter.owner)) end_sequence(*open, waiter.sequence);
    out.completions.push_back(
        {.kind = Completion::Kind::kLock, .token = waiter.owner, .lock = waiter.id});
  }
}

// [MS-FSA] 2.1.4.10, asked by 2.1.5.3 "Server Requests a Read" and 2.1.5.4 "... a Write".
template <Defect kDefect>
NtStatus BasicFileState<kDefect>::check_io(OpenToken token, uint64_t offset, uint64_t length,
                                           bool write) const {
  const bool as_write = write && kDefect != Defect::kSharedLockStopsNoWrite;
  return locks_.blocks_io(token, offset, length, as_write) ? NtStatus::kFileLockConflict
                                                           : NtStatus::kSuccess;
}

template <Defect kDefect>
Caching BasicFileState<kDefect>::caching_of(OpenToken token) const {
  const OpenRecord* open = opens_.find(token);
  if (!open) return Caching::kNone;
  return open->lease ? open->lease->holder.state : open->holder.state;
}

template <Defect kDefect>
OpenDecision BasicFileState<kDefect>::grant_of(OpenToken token) const {
  OpenDecision decision;
  const OpenRecord* open = opens_.find(token);
  if (!open) return decision;
  decision.oplock = open->oplock;
  if (open->lease) decision.lease = grant_of(*open->lease);
  return decision;
}

// [MS-SMB2] 3.3.5.9.6 and 3.3.5.9.10: durable only with a batch oplock or handle caching.
template <Defect kDefect>
bool BasicFileState<kDefect>::set_durability(OpenToken token, Durability durability) {
  OpenRecord* open = opens_.find(token);
  if (!open) return false;
  if (durability == Durability::kDurable && !has(caching_of(token), Caching::kHandle)) return false;
  open->durability = durability;
  touch(*open);
  return true;
}

// [MS-SMB2] 3.3.7.1 "Handling Loss of a Connection": kept if persistent or resilient, or durable
// with its batch oplock or handle caching lease still held.
template <Defect kDefect>
bool BasicFileState<kDefect>::disconnect(OpenToken token, Outcome& out) {
  OpenRecord* open = opens_.find(token);
  if (!open || open->disconnected || open->durability == Durability::kNone) return false;
  const Holder& holder = open->lease ? open->lease->holder : open->holder;
  if (open->durability == Durability::kDurable &&
      (holder.breaking || !has(holder.state, Caching::kHandle))) {
    return false;
  }
  drop_waiting(*open, out);
  open->disconnected = true;
  touch(*open);
  list_disconnected(*open);
  if (open->lease) open->lease->connected_opens--;
  return true;
}

template <Defect kDefect>
bool BasicFileState<kDefect>::reconnect(OpenToken token, SessionId session) {
  OpenRecord* open = opens_.find(token);
  if (!open || !open->disconnected) return false;
  open->disconnected = false;
  open->session = session;
  touch(*open);
  if (open->lock_sequences) open->lock_sequences->forget_channels();
  unlist_disconnected(*open);
  if (open->lease) open->lease->connected_opens++;
  return true;
}

template <Defect kDefect>
void BasicFileState<kDefect>::rename_open(OpenToken token, OpenToken as) {
  OpenRecord* const open = opens_.find(token);
  if (!locks_.empty()) locks_.change_owner(token, as);
  if (parts_) parts_->remove(open->part);
  auto record = opens_.take(*open);
  record->token = as;
  OpenRecord& renamed = opens_.insert(std::move(record));
  if (parts_) renamed.part = parts_->add(&renamed, key_.stream, as);
  if (Lease* const lease = renamed.lease; lease && lease->last_open == token) {
    lease->last_open = as;
    touch(*lease);
  }
}

template <Defect kDefect>
bool BasicFileState<kDefect>::take_over(OpenToken token, OpenToken as, SessionId session) {
  OpenRecord* open = opens_.find(token);
  if (!open || !open->disconnected || open->lease) return false;
  rename_open(token, as);
  return reconnect(as, session);
}

template <Defect kDefect>
void BasicFileState<kDefect>::list_disconnected(OpenRecord& open) {
  open.disconnected_slot = disconnected_.size();
  disconnected_.push_back(&open);
}

template <Defect kDefect>
void BasicFileState<kDefect>::unlist_disconnected(OpenRecord& open) {
  disconnected_[open.disconnected_slot] = disconnected_.back();
  disconnected_[open.disconnected_slot]->disconnected_slot = open.disconnected_slot;
  disconnected_.pop_back();
}

// 3.3.2.4 keeps resilient opens against newcomers: those meet a sharing violation, or a break that
// nobody is there to answer.
template <Defect kDefect>
bool BasicFileState<kDefect>::purge_sharers(const OpenRequest& request, Outcome& out) {
  std::vector<OpenToken> in_the_way;
  for (const OpenRecord* const open : disconnected_) {
    if (open->durability == Durability::kResilient) continue;
    ShareModes alone;
    alone.add(open->access, open->share);
    const uint32_t wanted = request.granted_access | request.needed_access;
    if (!alone.conflicts(wanted, request.share_access)) continue;
    if (open->durability == Durability::kPersistent) return false;
    in_the_way.push_back(open->token);
  }
  purge(std::move(in_the_way), out);
  return true;
}

// A break that nobody is there to receive: [MS-SMB2] 3.3.4.6 and 3.3.4.7 close the open.
template <Defect kDefect>
bool BasicFileState<kDefect>::purge_holders(const Demand& demand, const Actor& actor,
                                            Outcome& out) {
  if (disconnected_.empty()) return true;
  std::vector<OpenToken> in_the_way;
  for (const OpenRecord* const open : disconnected_) {
    if (open->durability == Durability::kResilient) continue;
    const Holder& holder = open->lease ? open->lease->holder : open->holder;
    const Caching trigger = open->lease ? demand.from_leases : demand.oplocks_with;
    if (open->lease && open->lease->connected_opens != 0) continue;
    if (!any(holder.state & trigger) || spares(holder, demand, actor)) continue;
    if (open->durability == Durability::kPersistent) return false;
    in_the_way.push_back(open->token);
  }
  purge(std::move(in_the_way), out);
  return true;
}

template <Defect kDefect>
void BasicFileState<kDefect>::purge(std::vector<OpenToken> tokens, Outcome& out) {
  std::ranges::sort(tokens);  // the oldest first, whatever the order of the set
  for (const OpenToken token : tokens) {
    CloseResult left = remove(*opens_.find(token), out);
    out.purged.push_back({{key_, token}, std::move(left)});
  }
}

}  // namespace braid::filestate
