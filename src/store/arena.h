// Arena: the part of the shared region that one worker takes blocks from.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/lock_order.h"
#include "store/record_store.h"
#include "store/shared_region.h"

namespace braid::store {

// What is free is known to the worker alone and never written into the region: a new life of the
// worker finds it out again, by looking which of its blocks a record still is in.
// Owned by the worker's SharedRecords. Thread: any; its lock is taken below a bucket's.
class Arena {
 public:
  // Takes over the arena of `worker` from an earlier life, if there was one.
  // REQUIRES: no other Arena of this worker is in use, in any process.
  Arena(const SharedRegion& region, size_t worker);

  // A place for a block of `bytes`, or 0. The caller fills in the rest of it and points at it.
  uint64_t allocate(size_t bytes, Urgency urgency, Account account = Account::kNone);
  // Whether an ordinary block of so many bytes would be given now.
  bool has_room(size_t bytes, Account account) const;
  // Nothing points at these blocks any more. They may be of other workers' arenas.
  // REQUIRES: the lock of the bucket they were in is held.
  void release(std::span<const uint64_t> places);

  // Bytes of blocks in use, this arena's, as of its last look at what others released.
  size_t used_bytes() const;
  size_t used_bytes(Account account) const;
  // Of all blocks that were ever taken: what is written.
  uint64_t allocated_bytes() const;

  // A block larger than this is refused.
  static constexpr size_t kBlockMax = size_t{4} << 20;
  // One over this, of an arena, is what an account may have of it: whoever opens what he can leaves
  // room for others.
  static constexpr size_t kAccountShare = 8;

 private:
  static constexpr size_t kClasses = 16 + 12;  // 64, 128 ... 1024, then 2 KiB ... 4 MiB
  struct Extent {
    uint64_t begin;
    uint64_t end;
  };

  static size_t class_of(size_t bytes);
  static size_t bytes_of(size_t size_class);
  void collect_released();
  void take_over();
  void count(const Block& block);
  void free(uint64_t place);
  bool fits(size_t bytes, Urgency urgency, Account account) const;

  const SharedRegion& region_;
  const size_t worker_;
  mutable RankedMutex<LockRank::kArena> mutex_;
  std::array<std::vector<uint64_t>, kClasses> free_;
  std::vector<Extent> extents_;  // never cut yet; the last is being cut
  size_t used_ = 0;
  std::unordered_map<Account, size_t> used_by_;  // without kNone
  uint64_t allocated_ = 0;
  size_t capacity_;
};

}  // namespace braid::store
