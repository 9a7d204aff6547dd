// Owned records found by key: a plain vector while there are few, with an index beside it once a
// search would grow with their number (the root directory, opened by every client).
#pragma once

#include <cstddef>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace braid::filestate {

// T has `Key key() const` and a member `size_t slot` that belongs to the set. Records keep their
// address until taken out. Thread: its owner's.
template <class T, class Key>
class IndexedSet {
 public:
  T* find(const Key& key) const {
    if (index_) {
      const auto found = index_->find(key);
      return found == index_->end() ? nullptr : found->second;
    }
    for (const auto& item : items_) {
      if (item->key() == key) return item.get();
    }
    return nullptr;
  }

  T& insert(std::unique_ptr<T> item) {
    T& added = *item;
    added.slot = items_.size();
    items_.push_back(std::move(item));
    if (index_) {
      index_->emplace(added.key(), &added);
    } else if (items_.size() > kIndexFrom) {
      index_ = std::make_unique<std::unordered_map<Key, T*>>();
      for (const auto& each : items_) index_->emplace(each->key(), each.get());
    }
    return added;
  }

  // REQUIRES: item is in the set. The order of the rest changes.
  std::unique_ptr<T> take(T& item) {
    if (index_) index_->erase(item.key());
    const size_t slot = item.slot;
    std::unique_ptr<T> taken = std::move(items_[slot]);
    if (slot + 1 != items_.size()) {
      items_[slot] = std::move(items_.back());
      items_[slot]->slot = slot;
    }
    items_.pop_back();
    if (items_.empty()) index_.reset();
    return taken;
  }

  // The latest that was inserted, unless something was taken since. REQUIRES: !empty().
  T& back() const { return *items_.back(); }
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }

 private:
  static constexpr size_t kIndexFrom = 16;  // up to here a scan is cheaper than hashing

  std::vector<std::unique_ptr<T>> items_;
  std::unique_ptr<std::unordered_map<Key, T*>> index_;
};

}  // namespace braid::filestate
