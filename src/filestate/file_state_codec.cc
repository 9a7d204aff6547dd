// FileState as bytes, for records that several workers share.
#include <algorithm>
#include <cassert>
#include <memory>
#include <utility>
#include <variant>

#include "filestate/file_state.h"

namespace braid::filestate {

// Whoever adds a member to what an open or a lease is, adds it below, too, and sees that whoever
// changes it touches the part; file_node_test.cc finds what is forgotten. The format is that of one
// version of the program: records live in memory, and all workers are of the same build.

void FileState::encode_head(wire::Writer& w) const {
  w.u64(last_break_serial_);
  w.u8(delete_pending_);
  if (key_.stream == 0) return;
  w.u64(name_);
  encode_deleters(deleters_, w);
}

void FileState::decode_head(wire::Reader& r) {
  last_break_serial_ = r.u64();
  delete_pending_ = r.u8() != 0;
  if (key_.stream == 0) return;
  name_ = r.u64();
  r.expect(name_ != 0);
  deleters_ = decode_deleters(r);
}

Account FileState::encode_part(const Part& part, wire::Writer& w) const {
  if (const Lease* const lease = part.as<Lease>()) {
    encode_lease(*lease, w);
    return lease->account;
  }
  if (const Link* const link = part.as<Link>()) return links_->encode_part(*link, w);
  if (const OpenRecord* const open = part.as<OpenRecord>()) {
    encode_open(*open, w);
    return open->account;
  }
  if (const Waiter* const waiter = part.as<Waiter>()) {
    encode_waiter(*waiter, w);
    return waiter->account;
  }
  if (std::holds_alternative<StreamHead>(part.thing)) {
    encode_head(w);
    return Account::kNone;
  }
  if (const auto* const lock = std::get_if<HeldLock>(&part.thing)) {
    return locks_.encode_part(*lock, w);
  }
  return locks_.encode_part(std::get<LockWait>(part.thing), w);
}

void FileState::encode_holder(const Holder& holder, wire::Writer& w) {
  w.value(holder.state);
  w.u8(static_cast<uint8_t>(holder.breaking | holder.exclusive_break << 1 | holder.is_owed << 2));
  w.value(holder.break_to);
  w.value(holder.required);
  w.u64(holder.break_serial);
}

void FileState::decode_holder(Holder& holder, wire::Reader& r) {
  const auto caching = [&] {
    const uint8_t bits = r.u8();
    r.expect(bits <= static_cast<uint8_t>(Caching::kReadWriteHandle));
    return static_cast<Caching>(bits & 7);
  };
  holder.state = caching();
  const uint8_t flags = r.u8();
  holder.breaking = (flags & 1) != 0;
  holder.exclusive_break = (flags & 2) != 0;
  holder.is_owed = (flags & 4) != 0;
  holder.break_to = caching();
  holder.required = caching();
  holder.break_serial = r.u64();
}

void FileState::encode_lease(const Lease& lease, wire::Writer& w) {
  w.id128(lease.id.client);
  w.id128(lease.id.key);
  w.u64(lease.id.user.value);
  encode_holder(lease.holder, w);
  w.u8(lease.version);
  w.u16(lease.epoch);
  w.u8(lease.parent_key.has_value());
  if (lease.parent_key) w.id128(*lease.parent_key);
  w.u64(lease.last_open.value);
  w.value(lease.account);
}

void FileState::put_lease(uint32_t number, wire::Reader& r) {
  LeaseId id;
  id.client = r.id128<ClientGuid>();
  id.key = r.id128<LeaseKey>();
  id.user = {r.u64()};
  Lease* lease = parts_->at(number).as<Lease>();
  if (!lease) {
    r.expect(leases_.find(id) == nullptr);
    if (!r.ok()) return;
    auto made = std::make_unique<Lease>();
    made->id = id;
    made->part = number;
    lease = &leases_.insert(std::move(made));
    lease->holder.lease = lease;
    parts_->put(number, lease, key_.stream);
  }
  // Its opens stay when it was there before.
  unlist(lease->holder);
  decode_holder(lease->holder, r);
  lease->version = r.u8();
  lease->epoch = r.u16();
  lease->parent_key.reset();
  if (r.u8() != 0) lease->parent_key = r.id128<LeaseKey>();
  lease->last_open = {r.u64()};
  lease->account = r.as<Account>();
  if (any(lease->holder.state)) list(lease->holder);
}

void FileState::encode_open(const OpenRecord& open, wire::Writer& w) {
  w.u64(open.token.value);
  w.u64(open.persistent_id);
  w.id128(open.client);
  w.u64(open.user.value);
  w.u64(open.session.value);
  w.value(open.account);
  w.u32(open.access);
  w.u32(open.share);
  w.u8(static_cast<uint8_t>(open.is_directory | open.delete_on_close << 1 | open.disconnected << 2 |
                            open.told_none << 3 | (open.lease != nullptr) << 4 |
                            (open.lock_sequences != nullptr) << 5 | open.deletes_by_posix << 6 |
                            (open.deleter != nullptr) << 7));
  w.value(open.durability);
  w.value(open.oplock);
  w.u32(open.link->part);
  if (open.lease) {
    w.u32(open.lease->part);
  } else {
    encode_holder(open.holder, w);
  }
  if (open.deleter) encode_deleter(*open.deleter, w);
  if (!open.lock_sequences) return;
  for (const LockSequences::Entry& entry : open.lock_sequences->entries()) {
    w.u8(entry.number);
    w.u8(entry.channel_sequence.has_value());
    w.u16(entry.channel_sequence.value_or(0));
  }
}

void FileState::put_open(uint32_t number, wire::Reader& r) {
  auto open = std::make_unique<OpenRecord>();
  open->part = number;
  open->token = {r.u64()};
  open->persistent_id = r.u64();
  open->client = r.id128<ClientGuid>();
  open->user = {r.u64()};
  open->session = {r.u64()};
  open->account = r.as<Account>();
  open->access = r.u32();
  open->share = r.u32();
  const uint8_t flags = r.u8();
  open->is_directory = (flags & 1) != 0;
  open->delete_on_close = (flags & 2) != 0;
  open->disconnected = (flags & 4) != 0;
  open->told_none = (flags & 8) != 0;
  open->deletes_by_posix = (flags & 64) != 0;
  open->durability = r.as<Durability>();
  r.expect(open->durability <= Durability::kPersistent);
  open->oplock = r.as<OplockLevel>();
  open->link = links_->at(r.u32());
  r.expect(open->link != nullptr);
  if (flags & 16) {
    const Part& lease = parts_->at(r.u32());
    r.expect(lease.stream == key_.stream && lease.as<Lease>() != nullptr);
    if (!r.ok()) return;
    open->lease = lease.as<Lease>();
  } else {
    decode_holder(open->holder, r);
    // As grant_oplock() leaves it: who never held anything has no way back.
    open->holder.open = open.get();
  }
  if (flags & 128) open->deleter = decode_deleter(r);
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
  OpenRecord& added = opens_.insert(std::move(open));
  count_in(added);
  if (any(added.holder.state)) list(added.holder);
  parts_->put(number, &added, key_.stream, added.token);
}

void FileState::encode_waiter(const Waiter& waiter, wire::Writer& w) {
  w.u64(waiter.token.value);
  w.value(waiter.kind);
  w.value(waiter.account);
  w.u64(waiter.order);
  if (waiter.kind != Completion::Kind::kLock) return;
  const PendingLock& lock = *waiter.lock;
  w.u32(static_cast<uint32_t>(lock.ranges.size()));
  for (const LockRange& range : lock.ranges) encode_range(range, w);
  w.u8(lock.fail_immediately);
  w.u64(lock.id.value);
  w.u8(lock.sequence.has_value());
  if (!lock.sequence) return;
  w.u8(lock.sequence->index);
  w.u8(lock.sequence->number);
  w.u16(lock.sequence->channel_sequence);
}

void FileState::put_waiter(uint32_t number, wire::Reader& r) {
  auto made = std::make_unique<Waiter>();
  Waiter& waiter = *made;
  waiter.token = {r.u64()};
  waiter.kind = r.as<Completion::Kind>();
  r.expect(waiter.kind <= Completion::Kind::kLock);
  waiter.account = r.as<Account>();
  waiter.order = r.u64();
  waiter.part = number;
  if (waiter.kind == Completion::Kind::kLock) {
    waiter.lock = std::make_unique<PendingLock>();
    const uint32_t ranges = r.u32();
    for (uint32_t n = 0; n < ranges && r.ok(); ++n) waiter.lock->ranges.push_back(decode_range(r));
    waiter.lock->fail_immediately = r.u8() != 0;
    waiter.lock->id = {r.u64()};
    if (r.u8() != 0) {
      LockSequence& sequence = waiter.lock->sequence.emplace();
      sequence.index = r.u8();
      sequence.number = r.u8();
      sequence.channel_sequence = r.u16();
    }
  }
  r.expect(waiters_.find(waiter.order) == nullptr);
  if (!r.ok()) return;
  last_wait_ = std::max(last_wait_, waiter.order);
  waiters_.insert(std::move(made));
  parts_->put(number, &waiter, key_.stream, waiter.token);
}

bool FileState::take_out(uint32_t number) {
  const Part& part = parts_->at(number);
  if (OpenRecord* const open = part.as<OpenRecord>()) {
    unlist(open->holder);
    count_out(*open);
    opens_.take(*open);
  } else if (Waiter* const waiter = part.as<Waiter>()) {
    waiters_.take(*waiter);
  } else if (Lease* const lease = part.as<Lease>()) {
    if (lease->opens != 0) return false;
    unlist(lease->holder);
    leases_.take(*lease);
  } else if (const auto* const lock = std::get_if<HeldLock>(&part.thing)) {
    locks_.take_out(*lock);
  } else if (const auto* const wait = std::get_if<LockWait>(&part.thing)) {
    locks_.take_out(*wait);
  }
  parts_->take_out(number);
  return true;
}

void FileState::remove_parts() {
  assert(waiters_.empty());  // who waits does so for somebody who has it open
  if (head_part_ != kNoPart) parts_->remove(std::exchange(head_part_, kNoPart));
}

}  // namespace braid::filestate
