// FileState: byte-range locks, and LOCK requests that are repeated.
#include <algorithm>
#include <memory>

#include "filestate/file_state.h"

namespace braid::filestate {

// The status of a LOCK that must not be carried out (again).
std::optional<NtStatus> FileState::begin_sequence(OpenRecord& open,
                                                  const std::optional<LockSequence>& sequence,
                                                  Outcome& out) {
  if (!sequence || !LockSequences::is_checked(*sequence)) return std::nullopt;
  touch(open);
  if (!open.lock_sequences) open.lock_sequences = std::make_unique<LockSequences>();
  switch (open.lock_sequences->begin(*sequence)) {
    case LockSequences::Standing::kDone:
      return NtStatus::kSuccess;
    case LockSequences::Standing::kOvertaken:
      if (is_planted(Defect::kOvertakenLockIsTaken)) break;
      return NtStatus::kFileNotAvailable;
    case LockSequences::Standing::kNew:
      break;
  }
  // The client no longer listens where it asked for those; granted, nobody would unlock them.
  for (const auto& waiter : locks_.drop_overtaken(open.token, *sequence)) {
    end_lock_wait(open.token, waiter.id, NtStatus::kFileNotAvailable, out);
  }
  return std::nullopt;
}

void FileState::end_sequence(OpenRecord& open, const std::optional<LockSequence>& sequence) {
  if (!sequence || !LockSequences::is_checked(*sequence)) return;
  if (open.lock_sequences) open.lock_sequences->done(*sequence);
  touch(open);
}

// [MS-FSA] 2.1.5.8 "Server Requests a Byte-Range Lock".
Decision FileState::lock(OpenToken token, std::span<const LockRange> ranges, bool fail_immediately,
                         LockId id, const std::optional<LockSequence>& sequence, Outcome& out) {
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

Decision FileState::lock_part(OpenToken token, std::span<const LockRange> ranges,
                              const std::optional<LockSequence>& sequence, LockPart part,
                              bool& is_repeated, Outcome& out) {
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

void FileState::give_back(OpenToken token, std::span<const LockRange> ranges, Outcome& out) {
  locks_.give_back(token, ranges);
  complete_locks(out);
}

// [MS-FSA] 2.1.5.9 "Server Requests an Unlock of a Byte-Range".
NtStatus FileState::unlock(OpenToken token, std::span<const LockRange> ranges,
                           const std::optional<LockSequence>& sequence, Outcome& out) {
  bool is_repeated{};
  return unlock_part(token, ranges, sequence, {}, is_repeated, out);
}

NtStatus FileState::unlock_part(OpenToken token, std::span<const LockRange> ranges,
                                const std::optional<LockSequence>& sequence, LockPart part,
                                bool& is_repeated, Outcome& out) {
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

bool FileState::cancel_lock(OpenToken token, LockId id) {
  if (locks_.cancel(token, id)) return true;
  return !take_waiters([&](const Waiter& waiter) {
            return waiter.token == token && waiter.lock && waiter.lock->id == id;
          }).empty();
}

void FileState::complete_locks(Outcome& out) {
  for (const ByteRangeLocks::Waiter& waiter : locks_.grant_waiting()) {
    if (OpenRecord* open = opens_.find(waiter.owner)) end_sequence(*open, waiter.sequence);
    out.completions.push_back(
        {.kind = Completion::Kind::kLock, .token = waiter.owner, .lock = waiter.id});
  }
}

// [MS-FSA] 2.1.4.10, asked by 2.1.5.3 "Server Requests a Read" and 2.1.5.4 "... a Write".
NtStatus FileState::check_io(OpenToken token, uint64_t offset, uint64_t length, bool write) const {
  const bool as_write = write && !is_planted(Defect::kSharedLockStopsNoWrite);
  return locks_.blocks_io(token, offset, length, as_write) ? NtStatus::kFileLockConflict
                                                           : NtStatus::kSuccess;
}

Decision FileState::check_locks(OpenToken token, Operation operation,
                                std::span<const IoRange> ranges) const {
  const bool write = operation != Operation::kRead;
  for (const IoRange& range : ranges) {
    const NtStatus status = check_io(token, range.offset, range.length, write);
    if (status != NtStatus::kSuccess) return Decision::fail(status);
  }
  return Decision::go();
}

// [MS-FSA] 2.1.5.3 and 2.1.5.4: caching is taken from others before locks are looked at.
Decision FileState::begin_io(OpenToken token, Operation operation, std::span<const IoRange> ranges,
                             Outcome& out) {
  const Decision prepared = prepare(token, operation, out);
  return prepared.verdict == Verdict::kGo ? check_locks(token, operation, ranges) : prepared;
}

std::optional<Decision> FileState::begin_io_alone(OpenToken token, Operation operation,
                                                  std::span<const IoRange> ranges) const {
  const OpenRecord* const open = opens_.find(token);
  if (!open) return Decision::fail(NtStatus::kFileClosed);
  if (!takes_nothing(demand_of(operation), actor_of(*open))) return std::nullopt;
  return check_locks(token, operation, ranges);
}

}  // namespace braid::filestate
