// FairShares: places that many want, of which nobody gets so many that others find none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>

namespace braid {

// Who holds some may have more only while what he holds is less than twice what is free: one alone
// gets two thirds, and shares shrink with the number of those who want, none of whom has to be
// known beforehand. The last quarter is for those who hold few, so that many who hold much leave
// something for the next who comes. Thread: its owner's.
template <class Key>
class FairShares {
 public:
  explicit FairShares(size_t places) : places_(places) {}

  // False: all are taken, or `who` has his share.
  bool take(const Key& who, size_t count = 1) {
    const auto found = held_.find(who);
    const size_t held = found == held_.end() ? 0 : found->second;
    const bool may_have_more = free() > places_ / 4 && held < 2 * free();
    if (count > free() || !(may_have_more || held < few())) return false;
    if (found == held_.end()) {
      held_.emplace(who, count);
    } else {
      found->second += count;
    }
    taken_ += count;
    return true;
  }
  // REQUIRES: `who` holds as many.
  void give_back(const Key& who, size_t count = 1) {
    const auto found = held_.find(who);
    taken_ -= count;
    found->second -= count;
    if (found->second == 0) held_.erase(found);
  }
  // What is there already and can only be counted, beyond all shares if it must be.
  void count_in(const Key& who, size_t count = 1) {
    held_[who] += count;
    taken_ += count;
  }

  size_t places() const { return places_; }
  size_t taken() const { return taken_; }
  size_t held_by(const Key& who) const {
    const auto found = held_.find(who);
    return found == held_.end() ? 0 : found->second;
  }

 private:
  // Thirty-two find as many in the last quarter.
  size_t few() const { return std::max<size_t>(places_ / 128, 4); }
  size_t free() const { return places_ - std::min(places_, taken_); }

  size_t places_;
  size_t taken_ = 0;
  std::map<Key, size_t> held_;
};

}  // namespace braid
