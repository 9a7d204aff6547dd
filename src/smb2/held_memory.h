// HeldMemory: what an object that stays until its client lets go of it makes the server hold.
#pragma once

#include <memory>

#include "base/guarded.h"
#include "base/memory_budget.h"
#include "base/result.h"

namespace braid::smb2 {

// Of an Open and what is kept for it. It is counted with the connection that made the object, also
// when that is gone. Ends with the object. Thread: any.
class HeldMemory {
 public:
  // REQUIRES: nobody else knows of it yet.
  void begin(std::shared_ptr<MemoryAccount> account, MemoryCharge charge) {
    account_ = std::move(account);
    *charge_.lock() = std::move(charge);
  }
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
  size_t size() const { return charge_.lock()->size(); }

 private:
  std::shared_ptr<MemoryAccount> account_;
  Guarded<MemoryCharge> charge_;
};

}  // namespace braid::smb2
