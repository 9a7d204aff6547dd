// Guarded<T>: data that can only be reached with its mutex held.
#pragma once

#include <mutex>
#include <utility>

#include "base/lock_order.h"

namespace braid {

//   Guarded<std::map<int, int>> table;
//   table.lock()->emplace(1, 2);
//   auto held = table.lock();   // held until the end of the scope
// Never keep the handle across a co_await. `kRank`: where it comes in the order of locks.
template <class T, LockRank kRank = LockRank::kLast>
class Guarded {
  using Mutex = RankedMutex<kRank>;

 public:
  template <class Value>
  class Handle {
   public:
    Handle(Mutex& mutex, Value& value) : lock_(mutex), value_(&value) {}
    Value* operator->() { return value_; }
    Value& operator*() { return *value_; }
    // For condition variables, and for letting go early.
    std::unique_lock<Mutex>& mutex_lock() { return lock_; }

   private:
    std::unique_lock<Mutex> lock_;
    Value* value_;
  };

  template <class... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  Handle<T> lock() { return {mutex_, value_}; }
  Handle<const T> lock() const { return {mutex_, value_}; }

 private:
  mutable Mutex mutex_;
  T value_;
};

}  // namespace braid
