#include "store/arena.h"

#include <algorithm>
#include <bit>
#include <map>

#include "store/part_tree.h"

namespace braid::store {
namespace {

constexpr size_t kUnit = 64;
constexpr size_t kSmallClasses = 16;
constexpr size_t kSmallMax = kUnit * kSmallClasses;
// Of the whole: kept for changes that must not fail, which mostly make records smaller.
constexpr size_t kReserveShare = 8;

}  // namespace

size_t Arena::class_of(size_t bytes) {
  if (bytes <= kSmallMax) return (bytes + kUnit - 1) / kUnit - 1;
  return kSmallClasses + static_cast<size_t>(std::bit_width((bytes - 1) / kSmallMax)) - 1;
}

size_t Arena::bytes_of(size_t size_class) {
  if (size_class < kSmallClasses) return (size_class + 1) * kUnit;
  return kSmallMax << (size_class - kSmallClasses + 1);
}

Arena::Arena(const SharedRegion& region, size_t worker)
    : region_(region),
      worker_(worker),
      capacity_(region.arena_end(worker) - region.arena_begin(worker)) {
  take_over();
}

void Arena::take_over() {
  std::map<uint64_t, uint64_t> in_use;  // begin, end
  const auto note = [&](uint64_t at) {
    if (region_.arena_of(at) == worker_) in_use.emplace(at, at + region_.block(at).bytes);
  };
  for (size_t i = 0; i < region_.buckets(); ++i) {
    Bucket& bucket = region_.bucket(i);
    // Also of one that looks empty: who has just removed its last record may be releasing blocks.
    const BucketLock lock(bucket);
    for (uint64_t at = bucket.first; at != 0; at = region_.block(at).next) {
      note(at);
      for_each_block(region_, region_.record(at).parts, note);
    }
  }
  // Released with a bucket's lock held: what was let go of before its bucket was looked at is not
  // in `in_use` and is free anyway.
  uint64_t at = region_.slot(worker_).released.exchange(0);
  while (at != 0) {
    const uint64_t next = region_.block(at).next;
    in_use.erase(at);
    at = next;
  }
  uint64_t begin = region_.arena_begin(worker_);
  for (const auto& [used, end] : in_use) {
    if (used > begin) extents_.push_back({begin, used});
    begin = end;
    count(region_.block(used));
  }
  if (begin < region_.arena_end(worker_)) extents_.push_back({begin, region_.arena_end(worker_)});
  std::ranges::reverse(extents_);  // the first, which is in memory already, is cut first
}

bool Arena::has_room(size_t bytes, Account account) const {
  if (bytes > kBlockMax) return false;
  const std::lock_guard lock(mutex_);
  return fits(bytes_of(class_of(bytes)), Urgency::kOrdinary, account);
}

bool Arena::fits(size_t bytes, Urgency urgency, Account account) const {
  if (urgency == Urgency::kMustNotFail) return used_ + bytes <= capacity_;
  if (used_ + bytes > capacity_ - capacity_ / kReserveShare) return false;
  if (account == Account::kNone) return true;
  const auto used = used_by_.find(account);
  return used == used_by_.end() || used->second + bytes <= capacity_ / kAccountShare;
}

uint64_t Arena::allocate(size_t wanted, Urgency urgency, Account account) {
  if (wanted > kBlockMax) return 0;
  const size_t size_class = class_of(wanted);
  const size_t bytes = bytes_of(size_class);
  const std::lock_guard lock(mutex_);
  auto& free = free_[size_class];
  if (free.empty() || !fits(bytes, urgency, account)) collect_released();
  if (!fits(bytes, urgency, account)) return 0;
  uint64_t place = 0;
  if (!free.empty()) {
    place = free.back();
    free.pop_back();
  } else {
    while (!extents_.empty() && extents_.back().end - extents_.back().begin < bytes) {
      Extent& rest = extents_.back();
      // The rest is good for smaller ones. Extents begin and end at multiples of the unit.
      while (rest.end - rest.begin >= kUnit) {
        size_t fits = class_of(std::min<size_t>(rest.end - rest.begin, kBlockMax));
        if (bytes_of(fits) > rest.end - rest.begin) fits--;
        free_[fits].push_back(rest.begin);
        rest.begin += bytes_of(fits);
      }
      extents_.pop_back();
    }
    if (extents_.empty()) return 0;
    place = extents_.back().begin;
    extents_.back().begin += bytes;
  }
  Block& block = region_.block(place);
  block.bytes = static_cast<uint32_t>(bytes);
  block.account = account;
  count(block);
  allocated_ += bytes;
  return place;
}

void Arena::count(const Block& block) {
  used_ += block.bytes;
  if (block.account != Account::kNone) used_by_[block.account] += block.bytes;
}

void Arena::free(uint64_t place) {
  const Block& block = region_.block(place);
  used_ -= block.bytes;
  if (block.account != Account::kNone) {
    const auto used = used_by_.find(block.account);
    used->second -= block.bytes;
    if (used->second == 0) used_by_.erase(used);
  }
  free_[class_of(block.bytes)].push_back(place);
}

void Arena::release(std::span<const uint64_t> places) {
  std::unique_lock lock(mutex_, std::defer_lock);
  for (const uint64_t place : places) {
    const size_t owner = region_.arena_of(place);
    if (owner == worker_) {
      if (!lock.owns_lock()) lock.lock();
      free(place);
      continue;
    }
    std::atomic<uint64_t>& next = region_.block(place).next;
    std::atomic<uint64_t>& head = region_.slot(owner).released;
    uint64_t first = head.load(std::memory_order_relaxed);
    do {
      next.store(first, std::memory_order_relaxed);
    } while (!head.compare_exchange_weak(first, place, std::memory_order_release));
  }
}

void Arena::collect_released() {
  uint64_t at = region_.slot(worker_).released.exchange(0, std::memory_order_acquire);
  while (at != 0) {
    const uint64_t next = region_.block(at).next.load(std::memory_order_relaxed);
    free(at);
    at = next;
  }
}

size_t Arena::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

size_t Arena::used_bytes(Account account) const {
  const std::lock_guard lock(mutex_);
  const auto used = used_by_.find(account);
  return used == used_by_.end() ? 0 : used->second;
}

uint64_t Arena::allocated_bytes() const {
  const std::lock_guard lock(mutex_);
  return allocated_;
}

}  // namespace braid::store
