// RingWriter, RingReader: messages from one process to another that does not trust it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/result.h"

namespace braid::transport::relay {

// What stands first in the memory of a ring. Each counter is written by one side and counts the
// bytes since the start; each flag says that a side sleeps, and is taken down by who wakes it.
struct RingHead {
  alignas(64) std::atomic<uint64_t> written;
  alignas(64) std::atomic<uint64_t> read;
  alignas(64) std::atomic<uint32_t> reader_sleeps;
  alignas(64) std::atomic<uint32_t> writer_sleeps;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// The memory that a ring for `capacity` bytes takes, which is a multiple of 8; each message costs 4
// more than it has, and what is missing to one of 8.
constexpr size_t ring_size(size_t capacity) { return sizeof(RingHead) + capacity; }
constexpr size_t size_in_ring(size_t message) { return (4 + message + 7) / 8 * 8; }

// The two sides of one ring, each in its own process and mapping of `memory`, which is zeros at
// first, begins at a page and outlives them. Neither waits or calls the system. Who has put or
// taken asks must_wake(), and rings if so; who finds no message, or no room, calls sleep(), and
// waits for the bell unless there is something by then; woken, he clears it first. So a wake is
// never missed, and a busy ring has none.
//
// malformed: the other side has broken the ring. That stays. Thread: one at a time, for each side.

class RingWriter {
 public:
  explicit RingWriter(MutableByteView memory);

  // One message, of these parts together. False: there is no room now. kInvalidBufferSize: there
  // never is.
  Result<bool> put(std::span<const ByteView> parts);
  Result<bool> put(ByteView message) { return put({&message, 1}); }
  // The reader sleeps, and there is something for it. True once for each sleep.
  bool must_wake();
  // Waits for room for `size` bytes of a message. False: there is some.
  Result<bool> sleep(size_t size);

 private:
  Result<size_t> room();
  void copy(uint64_t at, ByteView bytes);

  RingHead& head_;
  const MutableByteView data_;
  uint64_t written_ = 0;
  bool is_broken_ = false;
};

class RingReader {
 public:
  // `message_max`: a longer one is malformed.
  RingReader(MutableByteView memory, size_t message_max);

  // The next message; none when there is none now.
  Result<std::optional<Bytes>> take();
  // The writer sleeps, and there is room. True once for each sleep.
  bool must_wake();
  // Waits for a message. False: there is one.
  Result<bool> sleep();

 private:
  Result<size_t> available();
  void copy(uint64_t at, MutableByteView to) const;

  RingHead& head_;
  const MutableByteView data_;
  const size_t message_max_;
  uint64_t read_ = 0;
  bool is_broken_ = false;
};

}  // namespace braid::transport::relay
