// Memory for large buffers, kept for the next one when a buffer goes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace braid {

// A megabyte that goes back to the system comes again as 256 page faults, each with a page to be
// zeroed: a third of the server's time for a READ. So blocks from kKeptMin on are kept, up to
// kKeptMax together; the one used last, which caches still hold, is given out first. Thread: any.
//
// What is left in a block is another request's data. As with any uninitialised memory, who takes
// one sends no byte that it has not written.
class BufferMemory {
 public:
  // A block begins this far behind a page. The kernel copies out of pages: where a copy's writes run
  // a few bytes ahead of its reads, seen within a page, the processor takes each read for one of
  // what was just written and waits. 16 bytes, where malloc puts a block of its own, is the worst:
  // a megabyte then costs three to four times as much.
  static constexpr size_t kOffset = 64;
  // A sanitizer would not see the use of a block that was given back.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  static constexpr bool kKeeps = false;
#else
  static constexpr bool kKeeps = true;
#endif
  static constexpr size_t kKeptMin = 64u << 10;
  // The largest frame of a client fits: 8 MiB and headers.
  static constexpr size_t kBlockMax = 16u << 20;
  // All that a few busy clients have in flight. What is above it goes back to the system.
  static constexpr size_t kKeptMax = 64u << 20;

  static uint8_t* take(size_t size);
  // `size`: as it was asked for.
  static void give_back(uint8_t* block, size_t size) noexcept;
  // Bytes in blocks that wait for their next use.
  static size_t kept();
};

}  // namespace braid
