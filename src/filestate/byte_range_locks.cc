#include "filestate/byte_range_locks.h"

#include <cassert>
#include <limits>

#include "base/wrapping.h"

namespace braid::filestate {

bool ByteRangeLocks::State::has_room(Account account, size_t more, size_t Count::*of, size_t now,
                                     size_t most) const {
  const auto own = by_account.find(account);
  const size_t has = own == by_account.end() ? 0 : own->second.*of;
  return has + more <= fair_share(most, now - has);
}

void ByteRangeLocks::State::count(OpenToken owner, Account account, size_t Count::*of) {
  Owner& counted = owners[owner];
  counted.account = account;
  ++(counted.count.*of);
  ++(by_account[account].*of);
}

void ByteRangeLocks::State::uncount(OpenToken owner, size_t Count::*of) {
  const auto is_nothing = [](const Count& count) { return count.held + count.waiting == 0; };
  const auto counted = owners.find(owner);
  const auto user = by_account.find(counted->second.account);
  --(counted->second.count.*of);
  --(user->second.*of);
  if (is_nothing(user->second)) by_account.erase(user);
  if (is_nothing(counted->second.count)) owners.erase(counted);
}

void ByteRangeLocks::State::hold(OpenToken owner, Account account, const LockRange& range) {
  count(owner, account, &Count::held);
  held.insert(owner, range);
}

void ByteRangeLocks::State::drop(HeldLocks::Slot slot) {
  uncount(held.owner_of(slot), &Count::held);
  held.erase(slot);
}

const ByteRangeLocks::Arrival* ByteRangeLocks::State::first_blocked_by(HeldLocks::Slot slot) const {
  const auto found = blocked.lower_bound({slot, 0});
  return found != blocked.end() && found->first == slot ? &found->second : nullptr;
}

void ByteRangeLocks::State::release(HeldLocks::Slot slot) {
  while (const Arrival* const arrival = first_blocked_by(slot)) {
    ++looked_at;
    waiting.at(*arrival).blocked_by = HeldLocks::kNone;
    auto entry = blocked.extract({slot, *arrival});
    entry.value().first = HeldLocks::kNone;
    blocked.insert(std::move(entry));
  }
  drop(slot);
}

void ByteRangeLocks::State::add(const Waiter& waiter, HeldLocks::Slot blocked_by) {
  const Arrival arrival = next_arrival++;
  [[maybe_unused]] const bool is_new =
      by_owner.emplace(std::pair(waiter.owner, waiter.id), arrival).second;
  assert(is_new);
  waiting.emplace(arrival, Waiting{waiter, blocked_by});
  count(waiter.owner, waiter.account, &Count::waiting);
  blocked.emplace(blocked_by, arrival);
}

ByteRangeLocks::Waiter ByteRangeLocks::State::take(std::map<Arrival, Waiting>::iterator of) {
  const auto& [arrival, entry] = *of;
  const Waiter waiter = entry.waiter;
  blocked.erase({entry.blocked_by, arrival});
  by_owner.erase({waiter.owner, waiter.id});
  uncount(waiter.owner, &Count::waiting);
  waiting.erase(of);
  return waiter;
}

ByteRangeLocks::State& ByteRangeLocks::state() {
  if (!state_) state_ = std::make_unique<State>();
  return *state_;
}

NtStatus ByteRangeLocks::lock(OpenToken owner, std::span<const LockRange> ranges, Account account) {
  State& now = state();
  HeldLocks& held = now.held;
  if (!now.has_room(account, ranges.size(), &Count::held, held.size(), kLocksMax)) {
    return NtStatus::kInsufficientResources;
  }
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (held.met_by_lock(owner, ranges[i]) == HeldLocks::kNone) {
      now.hold(owner, account, ranges[i]);
      continue;
    }
    for (; i > 0; --i) now.drop(held.latest_of(owner));
    return NtStatus::kLockNotGranted;
  }
  return NtStatus::kSuccess;
}

NtStatus ByteRangeLocks::unlock(OpenToken owner, std::span<const LockRange> ranges) {
  if (!state_ && !ranges.empty()) return NtStatus::kRangeNotLocked;
  for (const LockRange& range : ranges) {
    HeldLocks& held = state_->held;
    // Of several, an exclusive one goes first.
    HeldLocks::Slot slot = held.find(owner, range.offset, range.length, true);
    if (slot == HeldLocks::kNone) slot = held.find(owner, range.offset, range.length, false);
    if (slot == HeldLocks::kNone) return NtStatus::kRangeNotLocked;
    state_->release(slot);
  }
  return NtStatus::kSuccess;
}

void ByteRangeLocks::give_back(OpenToken owner, std::span<const LockRange> ranges) {
  if (!state_) return;
  for (const LockRange& range : ranges) {
    const auto slot = state_->held.find(owner, range.offset, range.length, range.exclusive);
    if (slot != HeldLocks::kNone) state_->release(slot);
  }
}

void ByteRangeLocks::unlock_all(OpenToken owner) {
  if (!state_) return;
  for (HeldLocks::Slot slot; (slot = state_->held.latest_of(owner)) != HeldLocks::kNone;) {
    state_->release(slot);
  }
}

void ByteRangeLocks::change_owner(OpenToken owner, OpenToken to) {
  if (!state_) return;
  const auto counted = state_->owners.find(owner);
  if (counted == state_->owners.end()) return;
  const Account account = counted->second.account;
  std::vector<LockRange> ranges;
  state_->held.for_each_of(owner, [&](const LockRange& range) { ranges.push_back(range); });
  // Who waits for one of them waits for it or its twin afterwards.
  unlock_all(owner);
  for (const LockRange& range : ranges) state_->hold(to, account, range);
}

LocksOfOpen ByteRangeLocks::locks_of(OpenToken owner) const {
  LocksOfOpen locks;
  if (!state_) return locks;
  state_->held.for_each_of(owner, [&](const LockRange& range) { locks.held.push_back(range); });
  for (auto own = state_->by_owner.lower_bound({owner, LockId{}});
       own != state_->by_owner.end() && own->first.first == owner; ++own) {
    locks.waiting.push_back(state_->waiting.at(own->second).waiter.range);
  }
  return locks;
}

bool ByteRangeLocks::blocks_io(OpenToken by, uint64_t offset, uint64_t length, bool write) const {
  if (length == 0 || empty()) return false;
  LockRange range{.offset = offset, .length = length};
  if (!is_valid(range)) range.length = std::numeric_limits<uint64_t>::max() - offset + 1;
  return state_->held.met_by_io(by, range, write) != HeldLocks::kNone;
}

bool ByteRangeLocks::wait(const Waiter& waiter) {
  State& now = state();
  const auto own = now.by_account.find(waiter.account);
  const size_t waiting = own == now.by_account.end() ? 0 : own->second.waiting;
  // It will be held, as those that wait already.
  if (!now.has_room(waiter.account, 1, &Count::waiting, now.waiting.size(), kWaitersMax) ||
      !now.has_room(waiter.account, waiting + 1, &Count::held, now.held.size(), kLocksMax)) {
    return false;
  }
  now.add(waiter, now.held.met_by_lock(waiter.owner, waiter.range));
  return true;
}

bool ByteRangeLocks::cancel(OpenToken owner, LockId id) {
  if (!state_) return false;
  const auto found = state_->by_owner.find({owner, id});
  if (found == state_->by_owner.end()) return false;
  state_->take(state_->waiting.find(found->second));
  return true;
}

std::vector<ByteRangeLocks::Waiter> ByteRangeLocks::grant_waiting() {
  std::vector<Waiter> granted;
  if (!state_) return granted;
  while (const Arrival* const arrival = state_->first_blocked_by(HeldLocks::kNone)) {
    ++state_->looked_at;
    const auto first = state_->waiting.find(*arrival);
    Waiting& entry = first->second;
    const LockRange range = entry.waiter.range;
    const OpenToken owner = entry.waiter.owner;
    const HeldLocks::Slot in_the_way = state_->held.met_by_lock(owner, range);
    if (in_the_way != HeldLocks::kNone) {
      auto moved = state_->blocked.extract({HeldLocks::kNone, *arrival});
      moved.value().first = entry.blocked_by = in_the_way;
      state_->blocked.insert(std::move(moved));
      continue;
    }
    state_->hold(owner, entry.waiter.account, range);
    granted.push_back(state_->take(first));
  }
  return granted;
}

template <class Predicate>
std::vector<ByteRangeLocks::Waiter> ByteRangeLocks::take_waiting(OpenToken owner,
                                                                 Predicate is_meant) {
  std::vector<Waiter> taken;
  if (!state_) return taken;
  auto own = state_->by_owner.lower_bound({owner, LockId{}});
  while (own != state_->by_owner.end() && own->first.first == owner) {
    const auto entry = state_->waiting.find((own++)->second);
    ++state_->looked_at;
    if (is_meant(entry->second.waiter)) taken.push_back(state_->take(entry));
  }
  return taken;
}

std::vector<ByteRangeLocks::Waiter> ByteRangeLocks::drop_waiting(OpenToken owner) {
  return take_waiting(owner, [](const Waiter&) { return true; });
}

std::vector<ByteRangeLocks::Waiter> ByteRangeLocks::drop_overtaken(OpenToken owner,
                                                                   const LockSequence& sequence) {
  return take_waiting(owner, [&](const Waiter& waiter) {
    return waiter.sequence.index == sequence.index &&
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
  w.u32(state_ ? static_cast<uint32_t>(state_->held.size()) : 0);
  if (state_) {
    state_->held.for_each([&](OpenToken owner, const LockRange& range) {
      encode_range(range, w);
      w.u64(owner.value);
      w.value(state_->owners.at(owner).account);
    });
  }
  w.u32(state_ ? static_cast<uint32_t>(state_->waiting.size()) : 0);
  if (!state_) return;
  for (const auto& [arrival, entry] : state_->waiting) {
    const Waiter& waiter = entry.waiter;
    w.u64(waiter.owner.value);
    w.u64(waiter.id.value);
    w.value(waiter.account);
    encode_range(waiter.range, w);
    w.u8(waiter.sequence.index);
    w.u8(waiter.sequence.number);
    w.u16(waiter.sequence.channel_sequence);
  }
}

void ByteRangeLocks::decode(wire::Reader& r) {
  const uint32_t held = r.u32();
  r.expect(held <= kLocksMax + kWaitersMax);
  for (uint32_t i = 0; i < held && r.ok(); ++i) {
    const LockRange range = decode_range(r);
    r.expect(is_valid(range));
    const OpenToken owner{r.u64()};
    const Account account = r.as<Account>();
    if (r.ok()) state().hold(owner, account, range);
  }
  const uint32_t waiting = r.u32();
  r.expect(waiting <= kWaitersMax);
  for (uint32_t i = 0; i < waiting && r.ok(); ++i) {
    Waiter waiter;
    waiter.owner = {r.u64()};
    waiter.id = {r.u64()};
    waiter.account = r.as<Account>();
    waiter.range = decode_range(r);
    r.expect(is_valid(waiter.range));
    waiter.sequence.index = r.u8();
    waiter.sequence.number = r.u8();
    waiter.sequence.channel_sequence = r.u16();
    if (!r.ok()) return;
    r.expect(!state().by_owner.contains({waiter.owner, waiter.id}));
    // Shares were looked at when they came.
    if (r.ok()) state().add(waiter, state().held.met_by_lock(waiter.owner, waiter.range));
  }
}

}  // namespace braid::filestate
