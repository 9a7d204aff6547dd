// Memory with a page behind it that nobody may touch, for tests and fuzzers.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/bytes.h"

namespace braid::codec {

// Up to `size_max` bytes that end where the page begins. Not for several threads.
class GuardedRoom {
 public:
  explicit GuardedRoom(size_t size_max) {
    const auto page = static_cast<size_t>(getpagesize());
    room_ = (size_max + page - 1) / page * page;
    mapped_ = room_ + page;
    void* memory =
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    memory_ = static_cast<uint8_t*>(memory);
    if (mprotect(memory_ + room_, page, PROT_NONE) != 0) abort();
  }
  ~GuardedRoom() { munmap(memory_, mapped_); }
  GuardedRoom(const GuardedRoom&) = delete;
  GuardedRoom& operator=(const GuardedRoom&) = delete;

  // REQUIRES: size <= size_max. The same memory every time.
  MutableByteView room(size_t size) { return {memory_ + room_ - size, size}; }
  ByteView copy_of(ByteView bytes) {
    const MutableByteView to = room(bytes.size());
    if (!bytes.empty()) std::memcpy(to.data(), bytes.data(), bytes.size());
    return to;
  }

 private:
  size_t room_;
  size_t mapped_;
  uint8_t* memory_;
};

}  // namespace braid::codec
