#include "locks.h"

#include <array>
#include <cstring>

#include "record.h"

namespace braid::fault {

using namespace std::chrono_literals;

namespace {

using client::FilePtr;
using wire::LockFlags;

constexpr const char* kName = "counter";

Task<Result<void>> lock(FilePtr file) {
  co_return co_await file->lock(
      {{.offset = 0,
        .length = sizeof(uint64_t),
        .flags = LockFlags::kExclusiveLock | LockFlags::kFailImmediately}});
}

Task<Result<void>> unlock(FilePtr file) {
  co_return co_await file->lock(
      {{.offset = 0, .length = sizeof(uint64_t), .flags = LockFlags::kUnlock}});
}

bool fails_with(Context& context, const char* what, NtStatus expected, const Result<void>& result) {
  if (!result && result.error() == Error(expected)) return true;
  context.fail("{}: {}", what, result ? "granted" : result.error().message());
  return false;
}

// With the lock held. Gives the new value, or nothing if that did not work.
Task<std::optional<uint64_t>> raise_counter(Context& context, FilePtr file) {
  const auto reply = co_await file->read(0, sizeof(uint64_t));
  if (!context.went_well("read", kName, reply)) co_return std::nullopt;
  uint64_t value = 0;
  std::memcpy(&value, reply->body.data.data(), std::min(sizeof value, reply->body.data.size()));
  ++value;
  std::array<uint8_t, sizeof value> bytes;
  std::memcpy(bytes.data(), &value, sizeof value);
  if (!context.went_well("write", kName, co_await file->write(0, ByteView(bytes)))) {
    co_return std::nullopt;
  }
  co_return value;
}

Task<bool> take_turn(Context& context, FilePtr owner, FilePtr other, uint64_t turn) {
  if (!context.went_well("lock", kName, co_await lock(owner))) co_return false;
  if (turn % 4 == 0 &&
      !fails_with(context, "second lock", NtStatus::kLockNotGranted, co_await lock(other))) {
    co_return false;
  }
  const auto value = co_await raise_counter(context, owner);
  if (!value) co_return false;
  if (*value != turn + 1) context.fail("counter is {}, not {}", *value, turn + 1);
  if (!context.went_well("unlock", kName, co_await unlock(owner))) co_return false;
  // A lock that was taken twice would still be there.
  co_return turn % 4 != 1 ||
      fails_with(context, "second unlock", NtStatus::kRangeNotLocked, co_await unlock(owner));
}

}  // namespace

Task<void> count_under_lock(Context& context) {
  const auto first =
      co_await context.tree->open(kName, kReadWriteDelete, wire::CreateDisposition::kOverwriteIf);
  const auto second = co_await context.tree->open(kName, kReadWriteDelete);
  if (!context.went_well("open", kName, first) || !context.went_well("open", kName, second)) {
    co_return;
  }
  std::array<uint8_t, sizeof(uint64_t)> bytes{};
  if (!context.went_well("write", kName, co_await (*first)->write(0, ByteView(bytes)))) co_return;
  uint64_t turn = 0;
  bool ok = true;
  while (ok && !context.stopping) {
    ok = turn % 2 == 0 ? co_await take_turn(context, *first, *second, turn)
                       : co_await take_turn(context, *second, *first, turn);
    ++turn;
    co_await context.reactor.sleep_for(10ms);
  }
  if (!ok || !context.went_well("close", kName, co_await (*first)->close()) ||
      !context.went_well("close", kName, co_await (*second)->close())) {
    co_return;
  }
  std::memcpy(bytes.data(), &turn, sizeof turn);
  context.expected[kName] = {.size = sizeof turn, .crc32 = crc32(bytes)};
}

}  // namespace braid::fault
