// The parts of a record: a tree of blocks by the digits of their numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "store/arena.h"
#include "store/record_store.h"
#include "store/shared_region.h"

namespace braid::store {

// No block of a tree is ever changed. A change writes the parts it is about and the blocks on the
// way from the root to them, and shares the rest with the tree before: five blocks on the way at
// most, however many parts there are. Each block knows the version it was written for, so what has
// changed since one is found without looking at what has not.
//
// REQUIRES, for all of these: the lock of the record's bucket is held.

ByteView find_part(const SharedRegion& region, PartRoot root, uint32_t number);
// See RecordStore::Held::visit_parts().
void visit_parts_since(const SharedRegion& region, PartRoot root, uint64_t since,
                       const PartVisit& visit);
// Every block of the tree, by its place.
void for_each_block(const SharedRegion& region, PartRoot root,
                    const std::function<void(uint64_t)>& visit);

// One change of a record: what it makes, which nothing points at yet, and what is let go of once
// something does. Owned by who makes the change. Thread: its own.
class PartsUpdate {
 public:
  PartsUpdate(const SharedRegion& region, Arena& arena, uint64_t version, Urgency urgency)
      : region_(region), arena_(arena), version_(version), urgency_(urgency) {}

  // False once there was no room; what was returned then is of no use.
  bool ok() const { return ok_; }
  // A block of this version, or 0.
  uint64_t make(size_t bytes, Account account);
  // The tree with these parts changed. REQUIRES: their numbers ascend.
  PartRoot apply(PartRoot root, std::span<const PartChange> changes);
  void drop(uint64_t place) { dropped_.push_back(place); }

  void abandon() { arena_.release(made_); }
  void release_dropped() { arena_.release(dropped_); }

 private:
  uint64_t update(uint64_t place, uint32_t level, std::span<const PartChange> changes);
  uint64_t make_part(const PartChange& change);
  uint64_t make_tree(const uint64_t (&children)[TreeBlock::kChildren]);

  const SharedRegion& region_;
  Arena& arena_;
  const uint64_t version_;
  const Urgency urgency_;
  std::vector<uint64_t> made_;
  std::vector<uint64_t> dropped_;
  bool ok_ = true;
};

}  // namespace braid::store
