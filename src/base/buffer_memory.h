// Whose the memory of a Buffer is. That of large ones is kept for the next one when a buffer goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

namespace braid {

// Gives memory for Buffers to stand in, and gets it back. Outlives them: who counts them knows when
// that is over.
class BufferOwner {
 public:
  // What a Buffer was made with. The memory may be given out again at once. Thread: any.
  virtual void take_back(uint8_t* data, size_t size) noexcept = 0;

 protected:
  ~BufferOwner() = default;
};

// A megabyte that goes back to the system comes again as 256 page faults, each with a page to be
// zeroed: a third of the server's time for a READ. So blocks from kKeptMin on are kept, up to
// kKeptMax together; the one used last, which caches still hold, is given out first. Thread: any.
//
// They begin at a page. Where malloc begins large blocks, 16 bytes behind one, the kernel's copy of
// a MiB from the page cache takes four times as long: its stores run ahead of loads with the same
// low bits of the address.
//
// What is left in a block is another request's data. As with any uninitialised memory, who takes
// one sends no byte that it has not written.
class BufferMemory {
 public:
  // A sanitizer would not see the use of a block that was given back.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  static constexpr bool kKeeps = false;
#else
  static constexpr bool kKeeps = true;
#endif
  static constexpr size_t kKeptMin = 64u << 10;
  // The largest frame of a client fits: 8 MiB and headers. What is larger is not kept.
  static constexpr size_t kBlockMax = 16u << 20;
  static constexpr size_t kPage = 4096;
  // All that a few busy clients have in flight. What is above it goes back to the system.
  static constexpr size_t kKeptMax = 64u << 20;

  struct Block {
    uint8_t* data;
    BufferOwner* owner;  // null: goes back by operator delete
  };
  static Block take(size_t size) {
    if (size >= kKeptMin) return take_large(size);
    return {static_cast<uint8_t*>(::operator new(size)), nullptr};
  }
  // Bytes in blocks that wait for their next use.
  static size_t kept();

 private:
  static Block take_large(size_t size);
};

}  // namespace braid
