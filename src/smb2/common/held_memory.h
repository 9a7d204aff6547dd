// HeldMemory: what an object that stays until its client lets go of it makes the server hold.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "base/guarded.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "smb2/common/limits.h"

namespace braid::smb2 {

// Of an Open and what is kept for it. It is counted with the connection that made the object, also
// when that is gone. Ends with the object. Thread: any.
class HeldMemory {
 public:
  // All of it, on its way from an Open to what is left of that, and back.
  struct Kept {
    std::shared_ptr<MemoryAccount> account;  // null: nothing is counted here
    MemoryCharge charge{};
  };
  // REQUIRES: nobody else knows of it yet.
  void begin(Kept kept) {
    account_ = std::move(kept.account);
    *charge_.lock() = std::move(kept.charge);
  }
  // REQUIRES: nobody uses it any more.
  Kept end() { return {std::move(account_), std::exchange(*charge_.lock(), {})}; }
  bool has_begun() const { return account_ != nullptr; }
  // STATUS_INSUFFICIENT_RESOURCES.
  Result<void> add(size_t size) {
    if (!account_) return {};
    auto more = account_->try_take(size, MemoryUse::kLasting);
    if (!more) {
      account_->budget().count_refusal();
      return fail(NtStatus::kInsufficientResources);
    }
    charge_.lock()->merge(std::move(*more));
    return {};
  }
  // The same, if it is less than `size` by now.
  Result<void> reach(size_t size) {
    const size_t now = charge_.lock()->size();
    return now < size ? add(size - now) : Result<void>();
  }

 private:
  std::shared_ptr<MemoryAccount> account_;
  Guarded<MemoryCharge> charge_;
};

// How many byte-range locks of an Open are counted in its HeldMemory. Not every UNLOCK is, as one
// that is repeated unlocks nothing: how many there are is looked up when there might be more than
// are counted, and so many more are counted then that it is seldom. Thread: any.
class LockRoom {
 public:
  static constexpr size_t kInOpenSize = 8;  // what kOpenSize has room for
  // For so many there is room now.
  size_t counted() const { return counted_; }
  // Of an Open that goes on. How many there are is looked up with the next.
  void resume(size_t counted) { taken_ = counted_ = counted; }

  // Before `more` are taken. `look_up`: how many there are. STATUS_INSUFFICIENT_RESOURCES.
  template <class LookUp>
  Result<void> add(size_t more, HeldMemory& memory, LookUp look_up) {
    if (taken_.fetch_add(more) + more <= counted_) return {};
    const size_t there = look_up() + more;
    const size_t wanted = 2 * there;
    if (wanted > counted_) {
      if (auto added = memory.add((wanted - counted_) * kLockSize); !added) {
        taken_.fetch_sub(more);
        return added;
      }
      counted_ = wanted;
    }
    taken_ = there;
    return {};
  }

 private:
  std::atomic<size_t> taken_ = 0;  // at most, since the last look
  std::atomic<size_t> counted_ = kInOpenSize;
};

}  // namespace braid::smb2
