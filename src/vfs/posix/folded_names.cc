#include "vfs/posix/folded_names.h"

#include <algorithm>
#include <utility>

#include "vfs/compared_name.h"
#include "vfs/names.h"

namespace braid::vfs {
namespace {

constexpr size_t kSlotsMin = 16;
constexpr size_t kNameMax = 255;

uint32_t shortened(uint64_t hash) { return static_cast<uint32_t>(hash ^ (hash >> 32)); }

}  // namespace

uint32_t FoldedNames::hash_of_disk(std::string_view disk_name) const {
  if (composes_) return shortened(fold_hash(compared_name(to_client(disk_name))));
  return shortened(is_plain(disk_name) ? fold_hash(disk_name) : fold_hash(to_client(disk_name)));
}

uint32_t FoldedNames::hash_of_client(std::string_view client_name) {
  return shortened(fold_hash(client_name));
}

std::string_view FoldedNames::name_at(const std::vector<char>& names, const Slot& slot) {
  const char* const start = names.data() + (slot.where - kFirstName);
  return {start + 1, static_cast<uint8_t>(*start)};
}

uint32_t FoldedNames::keep(std::string_view name) {
  name = name.substr(0, kNameMax);  // no file system has longer ones
  const size_t at = names_.size();
  const size_t needed = at + 1 + name.size();
  // By a quarter: doubling would leave half of it unused.
  if (needed > names_.capacity()) names_.reserve(needed + needed / 4);
  names_.push_back(static_cast<char>(name.size()));
  names_.insert(names_.end(), name.begin(), name.end());
  return static_cast<uint32_t>(at) + kFirstName;
}

template <class Visit>
bool FoldedNames::any(uint32_t hash, const Visit& visit) const {
  if (slots_.empty()) return false;
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask; slots_[at].where != kFree; at = (at + 1) & mask) {
    if (slots_[at].hash == hash && slots_[at].where != kRemoved && visit(at)) return true;
  }
  return false;
}

void FoldedNames::put(Slot slot) {
  const size_t mask = slots_.size() - 1;
  size_t at = slot.hash & mask;
  while (slots_[at].where != kFree) at = (at + 1) & mask;
  slots_[at] = slot;
  ++used_;
}

void FoldedNames::make_room() {
  const bool is_full = (used_ + 1) * 4 > slots_.size() * 3;
  const bool is_wasteful = wasted_ > names_.size() / 2;
  if (!is_full && !is_wasteful) return;
  size_t count = kSlotsMin;
  while (count < (size_ + 1) * 2) count *= 2;
  auto slots = std::exchange(slots_, std::vector<Slot>(count));
  used_ = 0;
  std::vector<char> names;
  if (is_wasteful) {
    names = std::exchange(names_, {});
    wasted_ = 0;
  }
  for (Slot slot : slots) {
    if (slot.where == kFree || slot.where == kRemoved) continue;
    if (is_wasteful && slot.where >= kFirstName) slot.where = keep(name_at(names, slot));
    put(slot);
  }
}

bool FoldedNames::add(std::string_view disk_name) {
  const uint32_t hash = hash_of_disk(disk_name);
  if (has_names_ && any(hash, [&](size_t at) { return name_at(slots_[at]) == disk_name; })) {
    return false;
  }
  make_room();
  put({hash, has_names_ ? keep(disk_name) : kNameless});
  ++size_;
  return true;
}

bool FoldedNames::remove(std::string_view disk_name) {
  return any(hash_of_disk(disk_name), [&](size_t at) {
    if (has_names_) {
      if (name_at(slots_[at]) != disk_name) return false;
      wasted_ += 1 + disk_name.size();
    }
    slots_[at].where = kRemoved;
    --size_;
    return true;
  });
}

bool FoldedNames::may_have(std::string_view client_name) const {
  return any(hash_of_client(client_name), [](size_t) { return true; });
}

std::optional<std::string> FoldedNames::find(std::string_view client_name) const {
  std::optional<std::string> best;
  any(hash_of_client(client_name), [&](size_t at) {
    const std::string_view name = name_at(slots_[at]);
    const bool is_same = composes_ ? equal_folded(compared_name(to_client(name)), client_name)
                         : is_plain(name) ? equal_folded(name, client_name)
                                          : equal_folded(to_client(name), client_name);
    if (is_same && (!best || name < *best)) best = name;
    return false;
  });
  return best;
}

void FoldedNames::drop_names() {
  has_names_ = false;
  names_ = std::vector<char>();  // "{}" would keep the room
  wasted_ = 0;
  for (Slot& slot : slots_) {
    if (slot.where >= kFirstName) slot.where = kNameless;
  }
}

}  // namespace braid::vfs
