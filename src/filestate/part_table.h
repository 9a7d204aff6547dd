// PartTable: which numbered part of a file's record each thing of the file is.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "filestate/open_record.h"
#include "store/worker_tag.h"

namespace braid::filestate {

struct Link;
struct Output;

// What is said of a stream besides its opens, leases and waits; of the file itself the record's
// value says it.
struct StreamHead {};
// A byte-range lock that is granted, and one that is waited for: ByteRangeLocks knows the rest.
struct HeldLock {
  uint32_t slot{};
};
struct LockWait {
  uint64_t arrival{};
};

// What a part is of: see Part::kind. The order is that of the kinds' numbers in records.
using PartThing = std::variant<std::monostate, StreamHead, HeldLock, LockWait, Lease*, OpenRecord*,
                               Waiter*, Output*, Link*>;

struct Part {
  PartThing thing;
  uint64_t stream{};
  store::WorkerTag holder{};  // an open's or a wait's worker
  bool is_touched = false;

  template <class Thing>
  Thing* as() const {
    Thing* const* thing_here = std::get_if<Thing*>(&thing);
    return thing_here ? *thing_here : nullptr;
  }
};

// Every open, lease, lock, wait and output of a file that several workers share is a part of its
// record, and only parts that an event has touched are written by it, and read by other workers.
// Whoever changes one says so here; file_node_test.cc finds what is forgotten.
//
// Owned by a FileNode. Thread: under the lock of its shard.
class PartTable {
 public:
  // A new part with the lowest number that is free. It counts as touched.
  uint32_t add(PartThing thing, uint64_t stream, OpenToken by = {}) {
    while (first_free_ < used_.size() && used_[first_free_] == ~uint64_t{0}) first_free_++;
    const auto number = static_cast<uint32_t>(
        first_free_ * 64 + (first_free_ < used_.size()
                                ? static_cast<size_t>(std::countr_one(used_[first_free_]))
                                : 0));
    put(number, thing, stream, by);
    touch(number);
    return number;
  }
  void touch(uint32_t number) {
    if (parts_[number].is_touched) return;
    parts_[number].is_touched = true;
    touched_.push_back(number);
  }
  void remove(uint32_t number) {
    touch(number);
    take_out(number);
  }

  // The same as another worker did it: nothing is touched. REQUIRES: `number` is free.
  void put(uint32_t number, PartThing thing, uint64_t stream, OpenToken by = {}) {
    if (number >= parts_.size()) {
      parts_.resize(number + 1);
      used_.resize(parts_.size() / 64 + 1);
    }
    Part& part = parts_[number];
    part.thing = thing;
    part.stream = stream;
    part.holder = store::WorkerTag::of(by.value);
    used_[number / 64] |= uint64_t{1} << number % 64;
    size_++;
    if (counts_holder(part)) count(part.holder, 1);
  }
  void take_out(uint32_t number) {
    Part& part = parts_[number];
    if (counts_holder(part)) count(part.holder, -1);
    part.thing = std::monostate{};
    used_[number / 64] &= ~(uint64_t{1} << number % 64);
    first_free_ = std::min<size_t>(first_free_, number / 64);
    size_--;
  }

  // What is there under a number: monostate if nothing.
  const Part& at(uint32_t number) const {
    static const Part kNothing;
    return number < parts_.size() ? parts_[number] : kNothing;
  }
  size_t size() const { return size_; }
  template <class Visit>
  void for_each(uint32_t first, uint32_t end, Visit visit) const {
    const size_t limit = std::min<size_t>(end, parts_.size());
    for (size_t number = first; number < limit; ++number) {
      if (const uint64_t rest = used_[number / 64] >> number % 64; rest == 0) {
        number = (number / 64 + 1) * 64 - 1;
      } else {
        number += static_cast<size_t>(std::countr_zero(rest));
        if (number < limit) visit(static_cast<uint32_t>(number));
      }
    }
  }
  // Those touched since this was last asked, in the order of their numbers.
  std::vector<uint32_t> take_touched() {
    for (const uint32_t number : touched_) parts_[number].is_touched = false;
    std::ranges::sort(touched_);
    return std::exchange(touched_, {});
  }
  bool any_touched() const { return !touched_.empty(); }
  // Does an open or a wait belong to a worker that is `such`?
  template <class Test>
  bool any_holder(Test such) const {
    return std::ranges::any_of(holders_, [&](const auto& holder) { return such(holder.first); });
  }

 private:
  static bool counts_holder(const Part& part) {
    return std::holds_alternative<OpenRecord*>(part.thing) ||
           std::holds_alternative<Waiter*>(part.thing);
  }
  void count(store::WorkerTag holder, int by) {
    auto found = std::ranges::find(holders_, holder, [](const auto& each) { return each.first; });
    if (found == holders_.end()) found = holders_.insert(found, {holder, 0});
    found->second += static_cast<uint64_t>(by);
    if (found->second == 0) holders_.erase(found);
  }

  std::vector<Part> parts_;     // by number
  std::vector<uint64_t> used_;  // a bit for each number
  size_t first_free_ = 0;       // no word of `used_` before it has a free number
  size_t size_ = 0;
  std::vector<uint32_t> touched_;
  std::vector<std::pair<store::WorkerTag, uint64_t>> holders_;  // some: there are few workers
};

}  // namespace braid::filestate
