// The granted byte-range locks of one stream, so ordered that one range costs a path of a tree.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "filestate/types.h"

namespace braid::filestate {

// Two interval trees, of exclusive and of shared locks: AVL trees by offset, each node of which
// knows how far the locks below it reach and whose those are that reach farthest. So what a range
// meets is found on one path, also when the locks of one owner do not count. What one request costs
// must not depend on how many locks others have put into the file.
// Owned by ByteRangeLocks. Thread: its FileState's.
class HeldLocks {
 public:
  // Names a lock until it is erased.
  using Slot = uint32_t;
  static constexpr Slot kNone = 0;

  // Checks nothing.
  Slot insert(OpenToken owner, const LockRange& range);
  void erase(Slot slot);
  // The very range, of this mode, held by this owner.
  Slot find(OpenToken owner, uint64_t offset, uint64_t length, bool exclusive) const;
  OpenToken owner_of(Slot slot) const { return nodes_[slot].owner; }
  const LockRange& range_of(Slot slot) const { return nodes_[slot].range; }
  // Which part of the file's record it is, for ByteRangeLocks.
  uint32_t part_of(Slot slot) const { return nodes_[slot].part; }
  void set_part(Slot slot, uint32_t part) { nodes_[slot].part = part; }
  // The one that this owner took last.
  Slot latest_of(OpenToken owner) const;

  // A lock that a LOCK of this range would meet. Exclusive ones stack on nothing, the owner's own
  // included; a shared one may stack on the owner's exclusive one. [MS-FSA] 2.1.4.10.
  Slot met_by_lock(OpenToken owner, const LockRange& range) const;
  // A lock that stops a READ or WRITE of this range. A shared one stops every write, its owner's
  // included.
  Slot met_by_io(OpenToken by, const LockRange& range, bool write) const;

  // Whether one begins before this byte.
  bool any_before(uint64_t offset) const;

  size_t size() const { return size_; }
  // Those of one owner, in the order they were taken.
  template <class Visit>
  void for_each_of(OpenToken owner, Visit visit) const {
    const auto found = owners_.find(owner);
    if (found == owners_.end()) return;
    for (Slot slot = found->second.first; slot != kNone; slot = nodes_[slot].next) {
      visit(nodes_[slot].range);
    }
  }

  // Nodes looked at since the start: what tests count instead of time.
  uint64_t steps() const { return steps_; }

 private:
  // How far locks reach, of two owners at most: then one may be left out.
  struct Reach {
    struct Of {
      uint64_t last{};  // the last byte of the range that ends last
      OpenToken owner;
    };
    std::array<Of, 2> farthest;  // of different owners
    uint8_t known = 0;

    void add(const Of& of);
    void add(const Reach& other);
    // Whether one that is not `except`'s reaches this byte.
    bool gets_to(uint64_t byte, const OpenToken* except) const;
  };
  struct Node {
    LockRange range;
    OpenToken owner;
    Slot left = kNone;
    Slot right = kNone;
    Slot previous = kNone;  // of the same owner
    Slot next = kNone;
    uint8_t height{};
    uint32_t part{};
    Reach reach;  // of this and what is below
  };
  struct Own {
    Slot first = kNone;
    Slot last = kNone;
  };

  Slot& root_of(bool exclusive) { return roots_[exclusive]; }
  Slot meets(Slot root, const LockRange& range, const OpenToken* except) const;
  // By offset, length, owner and slot: no two are equal.
  bool is_before(Slot a, Slot b) const;
  Slot insert_below(Slot root, Slot slot);
  Slot erase_below(Slot root, Slot slot);
  Slot take_first(Slot root, Slot& first);
  Slot balanced(Slot slot);
  Slot rotated_left(Slot slot);
  Slot rotated_right(Slot slot);
  void update(Slot slot);
  void link(Slot slot);
  void unlink(Slot slot);

  std::vector<Node> nodes_;  // the first stands for none; empty until there is one
  std::vector<Slot> free_;
  std::array<Slot, 2> roots_{kNone, kNone};
  std::map<OpenToken, Own> owners_;
  size_t size_ = 0;
  mutable uint64_t steps_{};
};

}  // namespace braid::filestate
