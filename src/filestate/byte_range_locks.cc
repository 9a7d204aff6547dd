#include "filestate/byte_range_locks.h"

#include <algorithm>
#include <limits>

#include "base/wrapping.h"

namespace braid::filestate {
namespace {

// [MS-FSA] 2.1.4.10. A zero-length range meets only ranges it lies strictly inside of, and {0, 0}
// meets nothing.
bool overlap(const LockRange& a, const LockRange& b) {
  if ((a.offset == 0 && a.length == 0) || (b.offset == 0 && b.length == 0)) return false;
  const uint64_t a_last = a.offset + a.length - 1;
  const uint64_t b_last = b.offset + b.length - 1;
  return a.offset <= b_last && a_last >= b.offset;
}

}  // namespace

bool ByteRangeLocks::conflicts(OpenToken owner, const LockRange& range) const {
  return std::ranges::any_of(held_, [&](const Held& held) {
    if (!overlap(held.range, range)) return false;
    // Exclusive locks do not stack on anything, the owner's own included; a shared lock may stack
    // on the owner's exclusive one.
    return range.exclusive || (held.range.exclusive && held.owner != owner);
  });
}

NtStatus ByteRangeLocks::lock(OpenToken owner, std::span<const LockRange> ranges) {
  if (held_.size() + ranges.size() > kLocksMax) return NtStatus::kInsufficientResources;
  const size_t before = held_.size();
  for (const LockRange& range : ranges) {
    if (conflicts(owner, range)) {
      held_.resize(before);
      return NtStatus::kLockNotGranted;
    }
    held_.push_back({range, owner});
  }
  return NtStatus::kSuccess;
}

NtStatus ByteRangeLocks::unlock(OpenToken owner, std::span<const LockRange> ranges) {
  for (const LockRange& range : ranges) {
    auto match = held_.end();
    for (auto held = held_.begin(); held != held_.end(); ++held) {
      if (held->owner != owner || held->range.offset != range.offset ||
          held->range.length != range.length) {
        continue;
      }
      match = held;
      if (held->range.exclusive) break;  // of several, an exclusive one goes first
    }
    if (match == held_.end()) return NtStatus::kRangeNotLocked;
    held_.erase(match);
  }
  return NtStatus::kSuccess;
}

void ByteRangeLocks::unlock_all(OpenToken owner) {
  std::erase_if(held_, [&](const Held& held) { return held.owner == owner; });
}

void ByteRangeLocks::change_owner(OpenToken owner, OpenToken to) {
  for (Held& held : held_) {
    if (held.owner == owner) held.owner = to;
  }
}

LocksOfOpen ByteRangeLocks::locks_of(OpenToken owner) const {
  LocksOfOpen locks;
  for (const Held& held : held_) {
    if (held.owner == owner) locks.held.push_back(held.range);
  }
  for (const Waiter& waiter : waiting_) {
    if (waiter.owner == owner) locks.waiting.push_back(waiter.range);
  }
  return locks;
}

bool ByteRangeLocks::blocks_io(OpenToken by, uint64_t offset, uint64_t length, bool write) const {
  if (length == 0 || held_.empty()) return false;
  LockRange range{.offset = offset, .length = length};
  if (!is_valid(range)) range.length = std::numeric_limits<uint64_t>::max() - offset + 1;
  return std::ranges::any_of(held_, [&](const Held& held) {
    if (!overlap(held.range, range)) return false;
    // A shared lock stops every write, its owner's included.
    return held.range.exclusive ? held.owner != by : write;
  });
}

bool ByteRangeLocks::wait(const Waiter& waiter) {
  if (waiting_.size() >= kWaitersMax) return false;
  waiting_.push_back(waiter);
  return true;
}

bool ByteRangeLocks::cancel(OpenToken owner, LockId id) {
  return std::erase_if(waiting_, [&](const Waiter& waiter) {
           return waiter.owner == owner && waiter.id == id;
         }) != 0;
}

template <class Predicate>
std::vector<ByteRangeLocks::Waiter> ByteRangeLocks::take_waiting(Predicate is_meant) {
  std::vector<Waiter> taken;
  std::erase_if(waiting_, [&](const Waiter& waiter) {
    if (!is_meant(waiter)) return false;
    taken.push_back(waiter);
    return true;
  });
  return taken;
}

std::vector<ByteRangeLocks::Waiter> ByteRangeLocks::grant_waiting() {
  return take_waiting([this](const Waiter& waiter) {
    return lock(waiter.owner, {&waiter.range, 1}) == NtStatus::kSuccess;
  });
}

std::vector<ByteRangeLocks::Waiter> ByteRangeLocks::drop_waiting(OpenToken owner) {
  return take_waiting([owner](const Waiter& waiter) { return waiter.owner == owner; });
}

std::vector<ByteRangeLocks::Waiter> ByteRangeLocks::drop_overtaken(OpenToken owner,
                                                                   const LockSequence& sequence) {
  return take_waiting([&](const Waiter& waiter) {
    return waiter.owner == owner && waiter.sequence.index == sequence.index &&
           is_behind(waiter.sequence.channel_sequence, sequence.channel_sequence);
  });
}

void encode_range(const LockRange& range, wire::Writer& w) {
  w.u64(range.offset);
  w.u64(range.length);
  w.u8(range.exclusive);
}

LockRange decode_range(wire::Reader& r) {
  LockRange range;
  range.offset = r.u64();
  range.length = r.u64();
  range.exclusive = r.u8() != 0;
  return range;
}

void ByteRangeLocks::encode(wire::Writer& w) const {
  w.u32(static_cast<uint32_t>(held_.size()));
  for (const Held& held : held_) {
    encode_range(held.range, w);
    w.u64(held.owner.value);
  }
  w.u32(static_cast<uint32_t>(waiting_.size()));
  for (const Waiter& waiter : waiting_) {
    w.u64(waiter.owner.value);
    w.u64(waiter.id.value);
    encode_range(waiter.range, w);
    w.u8(waiter.sequence.index);
    w.u8(waiter.sequence.number);
    w.u16(waiter.sequence.channel_sequence);
  }
}

void ByteRangeLocks::decode(wire::Reader& r) {
  const uint32_t held = r.u32();
  r.expect(held <= kLocksMax);
  for (uint32_t i = 0; i < held && r.ok(); ++i) {
    const LockRange range = decode_range(r);
    r.expect(is_valid(range));
    held_.push_back({range, OpenToken{r.u64()}});
  }
  const uint32_t waiting = r.u32();
  r.expect(waiting <= kWaitersMax);
  for (uint32_t i = 0; i < waiting && r.ok(); ++i) {
    Waiter waiter;
    waiter.owner = {r.u64()};
    waiter.id = {r.u64()};
    waiter.range = decode_range(r);
    r.expect(is_valid(waiter.range));
    waiter.sequence.index = r.u8();
    waiter.sequence.number = r.u8();
    waiter.sequence.channel_sequence = r.u16();
    waiting_.push_back(waiter);
  }
}

}  // namespace braid::filestate
