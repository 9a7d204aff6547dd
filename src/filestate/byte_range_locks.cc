#include "filestate/byte_range_locks.h"

#include <algorithm>
#include <cassert>
#include <limits>

#include "base/wrapping.h"
#include "filestate/part_table.h"

namespace braid::filestate {

bool ByteRangeLocks::State::has_room(Account account, size_t more, size_t Count::* of, size_t now,
                                     size_t most) const {
  const auto own = by_account.find(account);
  const size_t has = own == by_account.end() ? 0 : own->second.*of;
  return has + more <= fair_share(most, now - has);
}

void ByteRangeLocks::State::count(OpenToken owner, Account account, size_t Count::* of) {
  Owner& counted = owners[owner];
  counted.account = account;
  ++(counted.count.*of);
  ++(by_account[account].*of);
}

void ByteRangeLocks::State::uncount(OpenToken owner, size_t Count::* of) {
  const auto is_nothing = [](const Count& count) { return count.held + count.waiting == 0; };
  const auto counted = owners.find(owner);
  const auto user = by_account.find(counted->second.account);
  --(counted->second.count.*of);
  --(user->second.*of);
  if (is_nothing(user->second)) by_account.erase(user);
  if (is_nothing(counted->second.count)) owners.erase(counted);
}

HeldLocks::Slot ByteRangeLocks::State::put_held(OpenToken owner, Account account,
                                                const LockRange& range) {
  count(owner, account, &Count::held);
  return held.insert(owner, range);
}

void ByteRangeLocks::State::hold(OpenToken owner, Account account, const LockRange& range) {
  const HeldLocks::Slot slot = put_held(owner, account, range);
  if (parts) held.set_part(slot, parts->add(HeldLock{slot}, stream));
}

void ByteRangeLocks::State::forget(HeldLocks::Slot slot) {
  uncount(held.owner_of(slot), &Count::held);
  held.erase(slot);
}

void ByteRangeLocks::State::drop(HeldLocks::Slot slot) {
  if (parts) parts->remove(held.part_of(slot));
  forget(slot);
}

const ByteRangeLocks::Arrival* ByteRangeLocks::State::first_blocked_by(HeldLocks::Slot slot) const {
  const auto found = blocked.lower_bound({slot, 0});
  return found != blocked.end() && found->first == slot ? &found->second : nullptr;
}

void ByteRangeLocks::State::block(Arrival arrival, Waiting& entry, HeldLocks::Slot by) {
  auto moved = blocked.extract({entry.blocked_by, arrival});
  moved.value().first = entry.blocked_by = by;
  blocked.insert(std::move(moved));
}

void ByteRangeLocks::State::unblock(HeldLocks::Slot slot) {
  while (const Arrival* const arrival = first_blocked_by(slot)) {
    ++looked_at;
    block(*arrival, waiting.at(*arrival), HeldLocks::kNone);
  }
}

void ByteRangeLocks::State::release(HeldLocks::Slot slot) {
  unblock(slot);
  drop(slot);
}

ByteRangeLocks::Waiting& ByteRangeLocks::State::put_waiting(Arrival arrival, const Waiter& waiter) {
  next_arrival = std::max(next_arrival, arrival + 1);
  [[maybe_unused]] const bool is_new =
      by_owner.emplace(std::pair(waiter.owner, waiter.id), arrival).second;
  assert(is_new);
  const HeldLocks::Slot in_the_way = held.met_by_lock(waiter.owner, waiter.range);
  count(waiter.owner, waiter.account, &Count::waiting);
  blocked.emplace(in_the_way, arrival);
  return waiting.emplace(arrival, Waiting{waiter, in_the_way}).first->second;
}

void ByteRangeLocks::State::add(const Waiter& waiter) {
  const Arrival arrival = next_arrival;
  Waiting& entry = put_waiting(arrival, waiter);
  if (parts) entry.part = parts->add(LockWait{arrival}, stream);
}

ByteRangeLocks::Waiter ByteRangeLocks::State::take(std::map<Arrival, Waiting>::iterator of) {
  if (parts) parts->remove(of->second.part);
  return forget(of);
}

ByteRangeLocks::Waiter ByteRangeLocks::State::forget(std::map<Arrival, Waiting>::iterator of) {
  const auto& [arrival, entry] = *of;
  const Waiter waiter = entry.waiter;
  blocked.erase({entry.blocked_by, arrival});
  by_owner.erase({waiter.owner, waiter.id});
  uncount(waiter.owner, &Count::waiting);
  waiting.erase(of);
  return waiter;
}

ByteRangeLocks::State& ByteRangeLocks::state() {
  if (!state_) {
    state_ = std::make_unique<State>();
    state_->parts = parts_;
    state_->stream = stream_;
  }
  return *state_;
}

NtStatus ByteRangeLocks::lock(OpenToken owner, std::span<const LockRange> ranges, Account account,
                              Room room) {
  State& now = state();
  HeldLocks& held = now.held;
  if (room == Room::kFairShare &&
      !now.has_room(account, ranges.size(), &Count::held, held.size(), kLocksMax)) {
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
  for (const LockRange& range : ranges) {
    if (!state_) return NtStatus::kRangeNotLocked;
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
  now.add(waiter);
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
      state_->block(*arrival, entry, in_the_way);
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

Account ByteRangeLocks::encode_part(const HeldLock& lock, wire::Writer& w) const {
  const OpenToken owner = state_->held.owner_of(lock.slot);
  const Account account = state_->owners.at(owner).account;
  encode_range(state_->held.range_of(lock.slot), w);
  w.u64(owner.value);
  w.value(account);
  return account;
}

Account ByteRangeLocks::encode_part(const LockWait& wait, wire::Writer& w) const {
  const Waiter& waiter = state_->waiting.at(wait.arrival).waiter;
  w.u64(wait.arrival);
  w.u64(waiter.owner.value);
  w.u64(waiter.id.value);
  w.value(waiter.account);
  encode_range(waiter.range, w);
  w.u8(waiter.sequence.index);
  w.u8(waiter.sequence.number);
  w.u16(waiter.sequence.channel_sequence);
  return waiter.account;
}

bool ByteRangeLocks::is_his(OpenToken owner, Account account) const {
  if (!state_) return true;
  const auto known = state_->owners.find(owner);
  return known == state_->owners.end() || known->second.account == account;
}

void ByteRangeLocks::put_held(uint32_t number, wire::Reader& r) {
  const LockRange range = decode_range(r);
  const OpenToken owner{r.u64()};
  const Account account = r.as<Account>();
  r.expect(is_valid(range) && is_his(owner, account));
  // Shares were looked at when they came.
  r.expect(state().held.size() < kLocksMax + kWaitersMax);
  if (!r.ok()) return;
  const HeldLocks::Slot slot = state_->put_held(owner, account, range);
  state_->held.set_part(slot, number);
  parts_->put(number, HeldLock{slot}, stream_);
}

void ByteRangeLocks::put_waiting(uint32_t number, wire::Reader& r) {
  const Arrival arrival = r.u64();
  Waiter waiter;
  waiter.owner = {r.u64()};
  waiter.id = {r.u64()};
  waiter.account = r.as<Account>();
  waiter.range = decode_range(r);
  waiter.sequence.index = r.u8();
  waiter.sequence.number = r.u8();
  waiter.sequence.channel_sequence = r.u16();
  r.expect(is_valid(waiter.range) && is_his(waiter.owner, waiter.account));
  r.expect(state().waiting.size() < kWaitersMax && !state_->waiting.contains(arrival) &&
           !state_->by_owner.contains({waiter.owner, waiter.id}) && arrival != ~Arrival{0});
  if (!r.ok()) return;
  state_->put_waiting(arrival, waiter).part = number;
  parts_->put(number, LockWait{arrival}, stream_);
}

void ByteRangeLocks::take_out(const HeldLock& lock) {
  state_->unblock(lock.slot);
  state_->forget(lock.slot);
}

void ByteRangeLocks::take_out(const LockWait& wait) {
  state_->forget(state_->waiting.find(wait.arrival));
}

void ByteRangeLocks::settle() {
  if (!state_) return;
  std::vector<Arrival> loose;
  for (auto each = state_->blocked.lower_bound({HeldLocks::kNone, 0});
       each != state_->blocked.end() && each->first == HeldLocks::kNone; ++each) {
    loose.push_back(each->second);
  }
  for (const Arrival arrival : loose) {
    Waiting& entry = state_->waiting.at(arrival);
    state_->block(arrival, entry, state_->held.met_by_lock(entry.waiter.owner, entry.waiter.range));
  }
}

}  // namespace braid::filestate
