// RecentTable<V>: what is remembered of names that clients choose, the longest unused forgotten
// first.
#pragma once

#include <cstddef>
#include <iterator>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

namespace braid::auth {

// V says with is_pinned() whether it may not be forgotten yet: those may make the table larger, and
// their owner bounds how many there are. References stay good until forgotten. Thread: one at a
// time.
template <class V>
class RecentTable {
 public:
  explicit RecentTable(size_t size_max) : size_max_(size_max) {}

  // Made if it is not there; the most recent from now on.
  V& use(const std::string& name) {
    if (const auto found = index_.find(name); found != index_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      return found->second->second;
    }
    make_room();
    order_.emplace_front(name, V{});
    index_.emplace(name, order_.begin());
    return order_.front().second;
  }
  size_t size() const { return index_.size(); }
  // The most recent first, until `visit`(name, value) says false.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& [name, value] : order_) {
      if (!visit(name, value)) return;
    }
  }

 private:
  // Two for one that is added: a table that pinned ones made larger shrinks again.
  void make_room() {
    for (int i = 0; i < 2 && index_.size() >= size_max_; ++i) {
      if (order_.back().second.is_pinned()) {
        // Out of the way, so that others behind it are reached the next times.
        order_.splice(order_.begin(), order_, std::prev(order_.end()));
        continue;
      }
      index_.erase(order_.back().first);
      order_.pop_back();
    }
  }

  const size_t size_max_;
  std::list<std::pair<std::string, V>> order_;  // the most recent first
  std::unordered_map<std::string, typename std::list<std::pair<std::string, V>>::iterator> index_;
};

}  // namespace braid::auth
