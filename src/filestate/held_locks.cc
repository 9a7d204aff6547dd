#include "filestate/held_locks.h"

#include <algorithm>
#include <tuple>

namespace braid::filestate {
namespace {

constexpr size_t kRoomKept = 16;

// {0, 0} meets nothing, and has no last byte.
bool meets_nothing(const LockRange& range) { return range.offset == 0 && range.length == 0; }

// One of no length ends before it begins, and so meets only ranges it lies strictly inside of.
uint64_t last_of(const LockRange& range) { return range.offset + range.length - 1; }

}  // namespace

void HeldLocks::Reach::add(const Of& of) {
  Of& first = farthest[0];
  Of& second = farthest[1];
  if (known == 0 || of.owner == first.owner) {
    first = {known == 0 ? of.last : std::max(first.last, of.last), of.owner};
    known = std::max<uint8_t>(known, 1);
  } else if (of.last > first.last) {
    second = first;
    first = of;
    known = 2;
  } else if (known == 1 || of.last > second.last) {
    // The second of an owner that is there already is replaced by a farther one of the same.
    second = of;
    known = 2;
  }
}

void HeldLocks::Reach::add(const Reach& other) {
  for (uint8_t i = 0; i < other.known; ++i) add(other.farthest[i]);
}

bool HeldLocks::Reach::gets_to(uint64_t byte, const OpenToken* except) const {
  for (uint8_t i = 0; i < known; ++i) {
    if (except && farthest[i].owner == *except) continue;
    return farthest[i].last >= byte;  // the farther comes first
  }
  return false;
}

HeldLocks::Slot HeldLocks::meets(Slot root, const LockRange& range, const OpenToken* except) const {
  if (meets_nothing(range)) return kNone;
  const uint64_t last = last_of(range);
  Slot slot = root;
  while (slot != kNone) {
    ++steps_;
    const Node& node = nodes_[slot];
    // If one on the left reaches the range and yet begins behind it, so does all on the right.
    if (node.left != kNone && nodes_[node.left].reach.gets_to(range.offset, except)) {
      slot = node.left;
      continue;
    }
    if (node.range.offset > last) return kNone;
    const bool counts = !(except && node.owner == *except) && !meets_nothing(node.range);
    if (counts && last_of(node.range) >= range.offset) return slot;
    slot = node.right;
  }
  return kNone;
}

HeldLocks::Slot HeldLocks::met_by_lock(OpenToken owner, const LockRange& range) const {
  if (!range.exclusive) return meets(roots_[true], range, &owner);
  const Slot exclusive = meets(roots_[true], range, nullptr);
  return exclusive != kNone ? exclusive : meets(roots_[false], range, nullptr);
}

HeldLocks::Slot HeldLocks::met_by_io(OpenToken by, const LockRange& range, bool write) const {
  const Slot exclusive = meets(roots_[true], range, &by);
  if (exclusive != kNone || !write) return exclusive;
  return meets(roots_[false], range, nullptr);
}

bool HeldLocks::any_before(uint64_t offset) const {
  for (Slot slot : roots_) {
    if (slot == kNone) continue;
    while (nodes_[slot].left != kNone) slot = nodes_[slot].left;
    if (nodes_[slot].range.offset < offset) return true;
  }
  return false;
}

bool HeldLocks::is_before(Slot a, Slot b) const {
  const auto key = [this](Slot slot) {
    const Node& node = nodes_[slot];
    return std::tuple(node.range.offset, node.range.length, node.owner, slot);
  };
  return key(a) < key(b);
}

HeldLocks::Slot HeldLocks::find(OpenToken owner, uint64_t offset, uint64_t length,
                                bool exclusive) const {
  const std::tuple wanted(offset, length, owner);
  for (Slot slot = roots_[exclusive]; slot != kNone;) {
    ++steps_;
    const Node& node = nodes_[slot];
    const std::tuple here(node.range.offset, node.range.length, node.owner);
    if (here == wanted) return slot;
    slot = wanted < here ? node.left : node.right;
  }
  return kNone;
}

HeldLocks::Slot HeldLocks::latest_of(OpenToken owner) const {
  const auto found = owners_.find(owner);
  return found == owners_.end() ? kNone : found->second.last;
}

HeldLocks::Slot HeldLocks::insert(OpenToken owner, const LockRange& range) {
  Slot slot;
  if (nodes_.empty()) nodes_.emplace_back();
  if (free_.empty()) {
    slot = static_cast<Slot>(nodes_.size());
    nodes_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  nodes_[slot] = {.range = range, .owner = owner, .reach = {}};
  update(slot);
  link(slot);
  Slot& root = root_of(range.exclusive);
  root = insert_below(root, slot);
  ++size_;
  return slot;
}

void HeldLocks::erase(Slot slot) {
  Slot& root = root_of(nodes_[slot].range.exclusive);
  root = erase_below(root, slot);
  unlink(slot);
  if (--size_ == 0) {
    // A file that had many once need not keep their room.
    nodes_.clear();
    free_.clear();
    if (nodes_.capacity() > kRoomKept) nodes_.shrink_to_fit();
    if (free_.capacity() > kRoomKept) free_.shrink_to_fit();
  } else {
    free_.push_back(slot);
  }
}

void HeldLocks::link(Slot slot) {
  Own& own = owners_[nodes_[slot].owner];
  nodes_[slot].previous = own.last;
  (own.last == kNone ? own.first : nodes_[own.last].next) = slot;
  own.last = slot;
}

void HeldLocks::unlink(Slot slot) {
  const Node& node = nodes_[slot];
  const auto own = owners_.find(node.owner);
  (node.previous == kNone ? own->second.first : nodes_[node.previous].next) = node.next;
  (node.next == kNone ? own->second.last : nodes_[node.next].previous) = node.previous;
  if (own->second.first == kNone) owners_.erase(own);
}

HeldLocks::Slot HeldLocks::insert_below(Slot root, Slot slot) {
  if (root == kNone) return slot;
  ++steps_;
  if (is_before(slot, root)) {
    nodes_[root].left = insert_below(nodes_[root].left, slot);
  } else {
    nodes_[root].right = insert_below(nodes_[root].right, slot);
  }
  return balanced(root);
}

HeldLocks::Slot HeldLocks::erase_below(Slot root, Slot slot) {
  ++steps_;
  Node& node = nodes_[root];
  if (root != slot) {
    if (is_before(slot, root)) {
      node.left = erase_below(node.left, slot);
    } else {
      node.right = erase_below(node.right, slot);
    }
    return balanced(root);
  }
  if (node.left == kNone) return node.right;
  if (node.right == kNone) return node.left;
  Slot heir = kNone;
  const Slot right = take_first(node.right, heir);
  nodes_[heir].left = node.left;
  nodes_[heir].right = right;
  return balanced(heir);
}

HeldLocks::Slot HeldLocks::take_first(Slot root, Slot& first) {
  ++steps_;
  Node& node = nodes_[root];
  if (node.left == kNone) {
    first = root;
    return node.right;
  }
  node.left = take_first(node.left, first);
  return balanced(root);
}

void HeldLocks::update(Slot slot) {
  Node& node = nodes_[slot];
  const Node& left = nodes_[node.left];
  const Node& right = nodes_[node.right];
  const uint8_t below = std::max<uint8_t>(node.left == kNone ? 0 : left.height,
                                          node.right == kNone ? 0 : right.height);
  node.height = static_cast<uint8_t>(below + 1);
  node.reach = {};
  if (!meets_nothing(node.range)) node.reach.add(Reach::Of{last_of(node.range), node.owner});
  if (node.left != kNone) node.reach.add(left.reach);
  if (node.right != kNone) node.reach.add(right.reach);
}

HeldLocks::Slot HeldLocks::rotated_left(Slot slot) {
  const Slot up = nodes_[slot].right;
  nodes_[slot].right = nodes_[up].left;
  nodes_[up].left = slot;
  update(slot);
  update(up);
  return up;
}

HeldLocks::Slot HeldLocks::rotated_right(Slot slot) {
  const Slot up = nodes_[slot].left;
  nodes_[slot].left = nodes_[up].right;
  nodes_[up].right = slot;
  update(slot);
  update(up);
  return up;
}

// The root of the same nodes with sides whose heights differ by one at most.
HeldLocks::Slot HeldLocks::balanced(Slot slot) {
  const auto height = [this](Slot of) { return of == kNone ? 0 : int{nodes_[of].height}; };
  const auto lean = [&](Slot of) { return height(nodes_[of].left) - height(nodes_[of].right); };
  if (lean(slot) > 1) {
    Slot& left = nodes_[slot].left;
    if (lean(left) < 0) left = rotated_left(left);
    return rotated_right(slot);
  }
  if (lean(slot) < -1) {
    Slot& right = nodes_[slot].right;
    if (lean(right) > 0) right = rotated_right(right);
    return rotated_left(slot);
  }
  update(slot);
  return slot;
}

}  // namespace braid::filestate
