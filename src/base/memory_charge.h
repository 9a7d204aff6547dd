// MemoryCharge: a part of somebody's memory account, held as long as the memory is.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace braid {

class MemoryAccount;

// Travels with what it was taken for: a Buffer, an answer on its way out, a request that waits.
// Made by MemoryAccount only; gives back what it holds when it goes. Move only. Thread: as what it
// travels with.
class MemoryCharge {
 public:
  MemoryCharge() = default;
  ~MemoryCharge() { release(); }
  MemoryCharge(MemoryCharge&& other) noexcept
      : account_(std::move(other.account_)),
        size_(std::exchange(other.size_, 0)),
        lasts_(other.lasts_) {}
  MemoryCharge& operator=(MemoryCharge&& other) noexcept {
    MemoryCharge old(std::move(*this));
    account_ = std::move(other.account_);
    size_ = std::exchange(other.size_, 0);
    lasts_ = other.lasts_;
    return *this;
  }

  size_t size() const { return size_; }
  // Gives back all but `size`.
  void shrink_to(size_t size) noexcept {
    if (size < size_) give_back(size_ - size);
  }
  void release() noexcept { shrink_to(0); }
  // Holds what `other` held, too. REQUIRES: both are of one account and for the same use, or one is
  // empty.
  void merge(MemoryCharge other) noexcept;

 private:
  friend class MemoryAccount;
  MemoryCharge(std::shared_ptr<MemoryAccount> account, size_t size, bool lasts)
      : account_(std::move(account)), size_(size), lasts_(lasts) {}
  void give_back(size_t size) noexcept;

  std::shared_ptr<MemoryAccount> account_;
  size_t size_ = 0;
  bool lasts_ = false;  // MemoryUse::kLasting
};

}  // namespace braid
