// BasicFileState as bytes, for records that several workers share. Included by file_state_inl.h
// only.
#pragma once

#include <algorithm>

#include "filestate/file_state.h"

namespace braid::filestate {

// Whoever adds a member to what an open or a lease is, adds it below, too; file_node_test.cc finds
// what is forgotten. The format is that of one version of the program: records live in memory, and
// all workers are of the same build.

template <Defect kDefect>
void BasicFileState<kDefect>::encode(wire::Writer& w) const {
  w.u64(key_.stream);
  w.u64(last_break_serial_);
  w.u8(delete_pending_);
  encode_leases_and_opens(w);
  locks_.encode(w);
  encode_waiters(w);
}

template <Defect kDefect>
void BasicFileState<kDefect>::decode(wire::Reader& r) {
  key_.stream = r.u64();
  last_break_serial_ = r.u64();
  delete_pending_ = r.u8() != 0;
  decode_leases(r);
  decode_opens(r);
  decode_holders(r);
  locks_.decode(r);
  decode_waiters(r);
}

template <Defect kDefect>
void BasicFileState<kDefect>::encode_holder(const Holder& holder, wire::Writer& w) {
  w.value(holder.state);
  w.u8(static_cast<uint8_t>(holder.breaking | holder.exclusive_break << 1));
  w.value(holder.break_to);
  w.value(holder.required);
  w.u64(holder.break_serial);
}

template <Defect kDefect>
void BasicFileState<kDefect>::decode_holder(Holder& holder, wire::Reader& r) {
  const auto caching = [&] {
    const uint8_t bits = r.u8();
    r.expect(bits <= static_cast<uint8_t>(Caching::kReadWriteHandle));
    return static_cast<Caching>(bits & 7);
  };
  holder.state = caching();
  const uint8_t flags = r.u8();
  holder.breaking = (flags & 1) != 0;
  holder.exclusive_break = (flags & 2) != 0;
  holder.break_to = caching();
  holder.required = caching();
  holder.break_serial = r.u64();
}

template <Defect kDefect>
void BasicFileState<kDefect>::encode_leases_and_opens(wire::Writer& w) const {
  w.u32(static_cast<uint32_t>(leases_.size()));
  for (const auto& lease : leases_) {
    w.id128(lease->id.client);
    w.id128(lease->id.key);
    encode_holder(lease->holder, w);
    w.u8(lease->version);
    w.u16(lease->epoch);
    w.u8(lease->parent_key.has_value());
    if (lease->parent_key) w.id128(*lease->parent_key);
    w.u64(lease->last_open.value);
  }
  w.u32(static_cast<uint32_t>(opens_.size()));
  for (const auto& open : opens_) {
    w.u64(open->token.value);
    w.u64(open->persistent_id);
    w.id128(open->client);
    w.u64(open->session.value);
    w.u32(open->access);
    w.u32(open->share);
    w.u8(static_cast<uint8_t>(open->is_directory | open->delete_on_close << 1 |
                              open->disconnected << 2 | open->told_none << 3 |
                              (open->lease != nullptr) << 4 |
                              (open->lock_sequences != nullptr) << 5));
    w.value(open->durability);
    w.value(open->oplock);
    if (open->lease) {
      w.u32(static_cast<uint32_t>(open->lease->slot));
    } else {
      encode_holder(open->holder, w);
    }
    if (!open->lock_sequences) continue;
    for (const LockSequences::Entry& entry : open->lock_sequences->entries()) {
      w.u8(entry.number);
      w.u8(entry.channel_sequence.has_value());
      w.u16(entry.channel_sequence.value_or(0));
    }
  }
  // In their order, in which they are told: leases by their number, opens after them.
  w.u32(static_cast<uint32_t>(holders_.size()));
  for (const Holder* holder : holders_) {
    w.u32(static_cast<uint32_t>(holder->lease ? holder->lease->slot
                                              : leases_.size() + holder->open->slot));
  }
}

template <Defect kDefect>
void BasicFileState<kDefect>::decode_leases(wire::Reader& r) {
  const uint32_t count = r.u32();
  for (uint32_t i = 0; i < count && r.ok(); ++i) {
    auto lease = std::make_unique<Lease>();
    lease->id.client = r.id128<ClientGuid>();
    lease->id.key = r.id128<LeaseKey>();
    decode_holder(lease->holder, r);
    lease->holder.lease = lease.get();
    lease->version = r.u8();
    lease->epoch = r.u16();
    if (r.u8() != 0) lease->parent_key = r.id128<LeaseKey>();
    lease->last_open = {r.u64()};
    r.expect(leases_.find(lease->id) == nullptr);
    if (r.ok()) leases_.insert(std::move(lease));
  }
}

template <Defect kDefect>
void BasicFileState<kDefect>::decode_opens(wire::Reader& r) {
  const uint32_t count = r.u32();
  for (uint32_t i = 0; i < count && r.ok(); ++i) {
    auto open = std::make_unique<OpenRecord>();
    open->token = {r.u64()};
    open->persistent_id = r.u64();
    open->client = r.id128<ClientGuid>();
    open->session = {r.u64()};
    open->access = r.u32();
    open->share = r.u32();
    const uint8_t flags = r.u8();
    open->is_directory = (flags & 1) != 0;
    open->delete_on_close = (flags & 2) != 0;
    open->disconnected = (flags & 4) != 0;
    open->told_none = (flags & 8) != 0;
    open->durability = r.as<Durability>();
    r.expect(open->durability <= Durability::kPersistent);
    open->oplock = r.as<OplockLevel>();
    if (flags & 16) {
      const uint32_t slot = r.u32();
      r.expect(slot < leases_.size());
      if (!r.ok()) return;
      open->lease = (leases_.begin() + slot)->get();
    } else {
      decode_holder(open->holder, r);
      // As grant_oplock() leaves it: who never held anything has no way back.
      open->holder.open = open.get();
    }
    if (flags & 32) {
      open->lock_sequences = std::make_unique<LockSequences>();
      for (uint8_t index = 1; index <= LockSequences::kEntries; ++index) {
        LockSequences::Entry entry{.number = r.u8()};
        const bool is_used = r.u8() != 0;
        const uint16_t channel_sequence = r.u16();
        if (is_used) entry.channel_sequence = channel_sequence;
        open->lock_sequences->restore(index, entry);
      }
    }
    r.expect(opens_.find(open->token) == nullptr);
    if (!r.ok()) return;

    const bool is_data_open = (open->access & ~kStatAccessForLeases) != 0;
    share_.add(open->access, open->share);
    if (is_data_open) data_opens_++;
    if (open->disconnected) disconnected_++;
    if (Lease* lease = open->lease) {
      lease->opens++;
      if (is_data_open) lease->data_opens++;
      if (!open->disconnected) lease->connected_opens++;
    }
    opens_.insert(std::move(open));
  }
  for (const auto& lease : leases_) r.expect(lease->opens != 0);
}

template <Defect kDefect>
void BasicFileState<kDefect>::decode_holders(wire::Reader& r) {
  const uint32_t count = r.u32();
  r.expect(count <= leases_.size() + opens_.size());
  for (uint32_t i = 0; i < count && r.ok(); ++i) {
    const uint32_t number = r.u32();
    r.expect(number < leases_.size() + opens_.size());
    if (!r.ok()) return;
    Holder& holder = number < leases_.size()
                         ? (*(leases_.begin() + number))->holder
                         : (*(opens_.begin() + (number - leases_.size())))->holder;
    r.expect(any(holder.state) && !holder.is_listed());
    if (!r.ok()) return;
    holder.holder_slot = holders_.size();
    holders_.push_back(&holder);
    this->count(holder, 1);
  }
  for (const auto& lease : leases_) {
    r.expect(any(lease->holder.state) == lease->holder.is_listed());
  }
  for (const auto& open : opens_) {
    r.expect(any(open->holder.state) == open->holder.is_listed());
  }
}

template <Defect kDefect>
void BasicFileState<kDefect>::encode_waiters(wire::Writer& w) const {
  w.u32(static_cast<uint32_t>(waiters_.size()));
  for (const Waiter& waiter : waiters_) {
    w.u64(waiter.token.value);
    w.value(waiter.kind);
    if (waiter.kind != Completion::Kind::kLock) continue;
    const PendingLock& lock = *waiter.lock;
    w.u32(static_cast<uint32_t>(lock.ranges.size()));
    for (const LockRange& range : lock.ranges) encode_range(range, w);
    w.u8(lock.fail_immediately);
    w.u64(lock.id.value);
    w.u8(lock.sequence.has_value());
    if (!lock.sequence) continue;
    w.u8(lock.sequence->index);
    w.u8(lock.sequence->number);
    w.u16(lock.sequence->channel_sequence);
  }
}

template <Defect kDefect>
void BasicFileState<kDefect>::decode_waiters(wire::Reader& r) {
  const uint32_t count = r.u32();
  for (uint32_t i = 0; i < count && r.ok(); ++i) {
    Waiter waiter{{r.u64()}, r.as<Completion::Kind>(), nullptr};
    r.expect(waiter.kind <= Completion::Kind::kLock);
    if (waiter.kind == Completion::Kind::kLock) {
      auto lock = std::make_unique<PendingLock>();
      const uint32_t ranges = r.u32();
      for (uint32_t n = 0; n < ranges && r.ok(); ++n) lock->ranges.push_back(decode_range(r));
      lock->fail_immediately = r.u8() != 0;
      lock->id = {r.u64()};
      if (r.u8() != 0) {
        LockSequence& sequence = lock->sequence.emplace();
        sequence.index = r.u8();
        sequence.number = r.u8();
        sequence.channel_sequence = r.u16();
      }
      waiter.lock = std::move(lock);
    }
    if (r.ok()) waiters_.push_back(std::move(waiter));
  }
}

template <Defect kDefect>
void BasicFileState<kDefect>::drop(const TokenTest& is_gone, Outcome& out) {
  // Waits first: what ends below must not wake the dead.
  std::erase_if(waiters_, [&](const Waiter& waiter) { return is_gone(waiter.token); });
  std::vector<OpenToken> gone;
  for (const auto& open : opens_) {
    if (is_gone(open->token)) gone.push_back(open->token);
  }
  for (const OpenToken token : gone) {
    locks_.drop_waiting(token);
    remove(*opens_.find(token), out);
  }
}

template <Defect kDefect>
bool BasicFileState<kDefect>::has_any(const TokenTest& is) const {
  return std::ranges::any_of(opens_, [&](const auto& open) { return is(open->token); }) ||
         std::ranges::any_of(waiters_, [&](const Waiter& waiter) { return is(waiter.token); });
}

template <Defect kDefect>
std::vector<LeaseId> BasicFileState<kDefect>::lease_ids() const {
  std::vector<LeaseId> ids;
  for (const auto& lease : leases_) ids.push_back(lease->id);
  return ids;
}

}  // namespace braid::filestate
