#include "store/part_tree.h"

#include <algorithm>
#include <cstring>

namespace braid::store {
namespace {

// Below a tree of so many levels.
constexpr uint64_t parts_below(uint32_t levels) {
  return uint64_t{1} << (levels * TreeBlock::kDigitBits);
}
// Which child of a block `level` levels high leads to the part.
constexpr size_t digit_of(uint32_t number, uint32_t level) {
  return number >> ((level - 1) * TreeBlock::kDigitBits) & (TreeBlock::kChildren - 1);
}

void visit_since(const SharedRegion& region, uint64_t place, uint32_t level, uint32_t first,
                 uint64_t since, const PartVisit& visit) {
  const auto width = static_cast<uint32_t>(parts_below(level));
  if (place == 0) return visit(first, first + width, {});
  if (region.block(place).version <= since) return;
  if (level == 0) {
    auto& part = region.block<PartBlock>(place);
    return visit(first, first + 1, {part.value(), part.size});
  }
  for (const uint64_t child : region.block<TreeBlock>(place).children) {
    visit_since(region, child, level - 1, first, since, visit);
    first += width / TreeBlock::kChildren;
  }
}

void visit_blocks(const SharedRegion& region, uint64_t place, uint32_t level,
                  const std::function<void(uint64_t)>& visit) {
  if (place == 0) return;
  visit(place);
  if (level == 0) return;
  for (const uint64_t child : region.block<TreeBlock>(place).children) {
    visit_blocks(region, child, level - 1, visit);
  }
}

}  // namespace

ByteView find_part(const SharedRegion& region, PartRoot root, uint32_t number) {
  if (number >= parts_below(root.levels)) return {};
  uint64_t place = root.place;
  for (uint32_t level = root.levels; place != 0 && level > 0; --level) {
    place = region.block<TreeBlock>(place).children[digit_of(number, level)];
  }
  if (place == 0) return {};
  auto& part = region.block<PartBlock>(place);
  return {part.value(), part.size};
}

void visit_parts_since(const SharedRegion& region, PartRoot root, uint64_t since,
                       const PartVisit& visit) {
  visit_since(region, root.place, root.levels, 0, since, visit);
  const auto end = static_cast<uint32_t>(parts_below(root.levels));
  if (end < kPartsMax) visit(end, kPartsMax, {});
}

void for_each_block(const SharedRegion& region, PartRoot root,
                    const std::function<void(uint64_t)>& visit) {
  visit_blocks(region, root.place, root.levels, visit);
}

uint64_t PartsUpdate::make(size_t bytes, Account account) {
  const uint64_t place = ok_ ? arena_.allocate(bytes, urgency_, account) : 0;
  if (place == 0) {
    ok_ = false;
    return 0;
  }
  made_.push_back(place);
  Block& block = region_.block(place);
  block.version = version_;
  block.size = 0;
  return place;
}

uint64_t PartsUpdate::make_part(const PartChange& change) {
  const uint64_t place = make(sizeof(PartBlock) + change.value.size(), change.account);
  if (place == 0) return 0;
  auto& part = region_.block<PartBlock>(place);
  part.size = static_cast<uint32_t>(change.value.size());
  std::memcpy(part.value(), change.value.data(), change.value.size());
  return place;
}

uint64_t PartsUpdate::make_tree(const uint64_t (&children)[TreeBlock::kChildren]) {
  const uint64_t place = make(sizeof(TreeBlock), Account::kNone);
  if (place != 0) std::ranges::copy(children, region_.block<TreeBlock>(place).children);
  return place;
}

uint64_t PartsUpdate::update(uint64_t place, uint32_t level, std::span<const PartChange> changes) {
  if (place != 0) drop(place);
  if (level == 0) return changes.front().value.empty() ? 0 : make_part(changes.front());
  uint64_t children[TreeBlock::kChildren] = {};
  if (place != 0) std::ranges::copy(region_.block<TreeBlock>(place).children, children);
  while (!changes.empty()) {
    const size_t digit = digit_of(changes.front().part, level);
    size_t count = 1;
    while (count < changes.size() && digit_of(changes[count].part, level) == digit) count++;
    children[digit] = update(children[digit], level - 1, changes.first(count));
    changes = changes.subspan(count);
  }
  const bool is_empty = std::ranges::all_of(children, [](uint64_t child) { return child == 0; });
  return is_empty ? 0 : make_tree(children);
}

PartRoot PartsUpdate::apply(PartRoot root, std::span<const PartChange> changes) {
  // What is not there cannot go, and must not make the tree higher.
  while (!changes.empty() && changes.back().value.empty() &&
         changes.back().part >= parts_below(root.levels)) {
    changes = changes.first(changes.size() - 1);
  }
  if (changes.empty()) return root;
  if (changes.back().part >= kPartsMax) {
    ok_ = false;
    return root;
  }
  while (changes.back().part >= parts_below(root.levels)) {
    const uint64_t children[TreeBlock::kChildren] = {root.place};
    if (root.place != 0) root.place = make_tree(children);
    root.levels++;
  }
  root.place = update(root.place, root.levels, changes);
  // And lower again when only its first branch is left.
  while (root.place != 0 && root.levels > 0) {
    const auto& children = region_.block<TreeBlock>(root.place).children;
    if (std::ranges::any_of(std::span(children).subspan(1), [](uint64_t c) { return c != 0; })) {
      break;
    }
    drop(root.place);
    root = {children[0], root.levels - 1};
  }
  if (root.place == 0) root.levels = 0;
  return root;
}

}  // namespace braid::store
