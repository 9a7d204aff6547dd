// [MS-SMB2] 3.3.5.14 "Receiving an SMB2 LOCK Request".
#include "wire/smb2/lock.h"

#include <algorithm>
#include <array>

#include "smb2/commands/commands.h"
#include "smb2/commands/long_lock.h"
#include "smb2/common/limits.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"
#include "smb2/files/local_locks.h"
#include "smb2/files/waiting.h"
#include "smb2/persistent/persistent_handles.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::LockFlags;

// LockSequenceIndex of a handle that is checked: [MS-SMB2] 3.3.5.14.
constexpr uint32_t kLockSequenceIndexMax = 64;

// Whether a LOCK that comes twice is carried out once. The specification says so of every handle
// that its client may use from another connection; Windows does it for those only that were
// promised more than to be durable.
bool checks_sequence(const Request& request) {
  const Negotiated& negotiated = request.connection->negotiated;
  if (negotiated.dialect == wire::Dialect::kSmb202) return false;
  using filestate::Durability;
  const Durability durability = request.open->durable_terms.lock()->durability;
  if (durability == Durability::kResilient || durability == Durability::kPersistent) return true;
  if (request.tree_connect->share->compat == config::Compat::kWindows) return false;
  return durability == Durability::kDurable ||
         (negotiated.is_smb3() &&
          (negotiated.server_capabilities & wire::Capabilities::kMultiChannel));
}

std::optional<filestate::LockSequence> sequence_of(const Request& request,
                                                   const wire::LockRequest& lock) {
  if (!checks_sequence(request)) return std::nullopt;
  if (lock.lock_sequence_index == 0 || lock.lock_sequence_index > kLockSequenceIndexMax) {
    return std::nullopt;
  }
  // Before SMB 3 the field is another one.
  const uint16_t channel_sequence =
      request.connection->negotiated.is_smb3() ? request.header.channel_sequence : uint16_t{0};
  return filestate::LockSequence{static_cast<uint8_t>(lock.lock_sequence_index),
                                 lock.lock_sequence_number, channel_sequence};
}

// 3.3.5.14.1 "Processing Unlocks".
Task<Result<Reply>> unlock(Request& request, const wire::LockRequest& lock) {
  std::vector<filestate::LockRange> ranges;
  NtStatus bad_element = NtStatus::kSuccess;
  for (const wire::LockElement& element : lock.locks) {
    if (element.flags != LockFlags::kUnlock) {
      // What came before it is unlocked all the same.
      bad_element = NtStatus::kInvalidParameter;
      break;
    }
    ranges.push_back({element.offset, element.length});
  }
  if (ranges.size() > filestate::kRangesPerTurn) {
    BRAID_CO_CHECK(
        co_await unlock_in_turns(request, std::move(ranges), sequence_of(request, lock)));
  } else if (!ranges.empty()) {
    const bool is_local = has_local_locks(*request.open);
    if (is_local) give_local_locks(*request.open, ranges);
    const NtStatus status =
        request.files.file_table.unlock(request.open->ref(), ranges, sequence_of(request, lock));
    if (is_local) keep_local_locks(request.files, *request.open, ranges);
    if (status != NtStatus::kSuccess) co_return fail(status);
  }
  if (bad_element != NtStatus::kSuccess) co_return fail(bad_element);
  co_return reply_with(wire::LockResponse{});
}

// The ranges of a LOCK, or why it is not one. 3.3.5.14.2 "Processing Locks".
Result<std::vector<filestate::LockRange>> lock_ranges(const wire::LockRequest& lock,
                                                      bool& fail_immediately) {
  std::vector<filestate::LockRange> ranges;
  for (const wire::LockElement& element : lock.locks) {
    const uint32_t kind = element.flags & ~LockFlags::kFailImmediately;
    if (kind != LockFlags::kSharedLock && kind != LockFlags::kExclusiveLock) {
      return fail(NtStatus::kInvalidParameter);
    }
    const bool immediate = (element.flags & LockFlags::kFailImmediately) != 0;
    // Only a lone lock may wait.
    if (lock.locks.size() > 1 && !immediate) return fail(NtStatus::kInvalidParameter);
    fail_immediately = fail_immediately || immediate;
    ranges.push_back({element.offset, element.length, kind == LockFlags::kExclusiveLock});
  }
  return ranges;
}

// Of a LOCK that waits: its header, its body and the one element that it has. What its client has
// put behind them is not kept.
constexpr size_t kWaitingSize = wire::Header::kSize + 24 + 24;

// STATUS_RANGE_NOT_LOCKED when the open is gone, as for any LOCK that waits then.
Result<void> use_again(Request& request, const std::shared_ptr<Open>& open) {
  if (!request.open) request.open = Open::use(open);
  if (!request.open) return fail(NtStatus::kRangeNotLocked);
  return {};
}

// Among clients. Afterwards the request may have no Open any more.
Task<Result<void>> lock_for_clients(Request& request, std::span<const filestate::LockRange> ranges,
                                    bool fail_immediately,
                                    std::optional<filestate::LockSequence> sequence) {
  FileServices& files = request.files;
  const std::shared_ptr<Open> open = request.open.get();
  const filestate::OpenRef ref = open->ref();
  for (;;) {
    const filestate::LockId id = files.next_lock_id();
    const filestate::Decision decision =
        files.file_table.lock(ref, ranges, fail_immediately, id, sequence);
    if (decision.verdict == filestate::Verdict::kGo) co_return Result<void>{};
    if (decision.verdict == filestate::Verdict::kFail) co_return fail(decision.status);

    const Waiter waiter = files.breaks.expect(ref.token, id);
    const Result<NtStatus> status = co_await wait_for_others(
        request, waiter,
        [&files, ref, id](const Waiter&) { return files.file_table.cancel_lock(ref, id); });
    files.breaks.forget(ref.token, id);
    BRAID_CO_CHECK(status);
    if (*status == NtStatus::kSuccess) co_return Result<void>{};
    if (*status != NtStatus::kPending) co_return fail(*status);
    BRAID_CO_CHECK(use_again(request, open));
  }
}

// How often a LOCK that waits looks whether the lock of a local program is gone, of which nobody
// tells.
constexpr std::chrono::milliseconds kLocalLockLookFirst{5};
constexpr std::chrono::milliseconds kLocalLockLookLast{200};

// Among clients and local programs: all of it or nothing. While somebody local has it no client has
// it either, so that none waits for one who waits.
Task<Result<void>> lock_for_all(Request& request, std::vector<filestate::LockRange> ranges,
                                bool fail_immediately,
                                std::optional<filestate::LockSequence> sequence) {
  FileServices& files = request.files;
  const std::shared_ptr<Open> open = request.open.get();
  for (auto patience = kLocalLockLookFirst;;
       patience = std::min(patience * 2, kLocalLockLookLast)) {
    const auto granted = co_await lock_for_clients(request, ranges, fail_immediately, sequence);
    BRAID_CO_CHECK(granted);
    BRAID_CO_CHECK(use_again(request, open));
    const auto taken = take_local_locks(*open, ranges);
    if (taken) co_return Result<void>{};
    give_local_locks(*open, ranges);
    files.file_table.give_back(open->ref(), ranges);
    keep_local_locks(files, *open, ranges);
    if (!taken.error().is_os(EAGAIN)) co_return taken;
    if (fail_immediately) co_return fail(NtStatus::kLockNotGranted);
    sequence.reset();
    const Waiter waiter = std::make_shared<OneShot<NtStatus>>();
    Timer timer(request.connection->reactor());
    timer.start(patience, [waiter] { waiter->set(NtStatus::kSuccess); });
    BRAID_CO_CHECK(co_await wait_for_others(request, waiter, [](const Waiter&) { return true; }));
    BRAID_CO_CHECK(use_again(request, open));
  }
}

}  // namespace

Task<Result<Reply>> handle_lock(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto lock, wire::LockRequest::decode(reader));
  if (lock.locks.empty()) co_return fail(NtStatus::kInvalidParameter);
  if (request.open->attributes.is_directory) co_return fail(NtStatus::kInvalidParameter);
  using wire::Access;
  if (!request.open->has_access(Access::kFileReadData | Access::kFileWriteData)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  if (lock.locks.front().flags == LockFlags::kUnlock) {
    co_return co_await unlock(request, lock);
  }
  // 3.3.5.2.9 lets LOCK through when the session has expired, so that locks can be given up; new
  // ones are refused, as Windows does.
  if (request.session->state(request.files.clock.now()) == SessionState::kExpired) {
    co_return fail(NtStatus::kNetworkSessionExpired);
  }

  bool fail_immediately = false;
  BRAID_CO_TRY(auto ranges, lock_ranges(lock, fail_immediately));
  FileServices& files = request.files;
  const std::shared_ptr<Open> open = request.open.get();
  const filestate::OpenRef ref = open->ref();
  BRAID_CO_CHECK(open->lock_room.add(ranges.size(), open->memory,
                                     [&] { return files.file_table.locks_of(ref).held.size(); }));
  if (request.tree_connect->share->persistent &&
      files.file_table.locks_of(ref).held.size() + ranges.size() > kPersistentLocksMax) {
    co_return fail(NtStatus::kInsufficientResources);
  }
  if (request.tree_connect->share->persistent) {
    BRAID_CO_CHECK(files.persistent->check_room_for_locks(*open, ranges.size()));
  }
  if (ranges.size() > filestate::kRangesPerTurn) {
    BRAID_CO_CHECK(co_await lock_in_turns(request, std::move(ranges), sequence_of(request, lock)));
    co_return reply_with(wire::LockResponse{});
  }
  // Its frame is gone by the time that it waits. This is part of what a request counts as.
  std::array<uint8_t, kWaitingSize> message{};
  static_assert(kWaitingSize < kRequestSize && kWaitingSize <= kCreateSizeMax);
  if (!fail_immediately) {
    std::ranges::copy(request.message.first(kWaitingSize), message.begin());
    request.repeatable = message;
  }
  const auto sequence = sequence_of(request, lock);
  Result<void> locked;
  if (has_local_locks(*open)) {
    locked = co_await lock_for_all(request, std::move(ranges), fail_immediately, sequence);
  } else {
    locked = co_await lock_for_clients(request, ranges, fail_immediately, sequence);
  }
  request.repeatable = {};
  BRAID_CO_CHECK(locked);
  co_return reply_with(wire::LockResponse{});
}

}  // namespace braid::smb2
