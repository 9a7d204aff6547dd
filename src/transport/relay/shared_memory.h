// SharedMemory: memory of two processes, of which neither can take it from the other.
#pragma once

#include <cstddef>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace braid::transport::relay {

// Of a memfd whose size is sealed: a file that shrinks under a mapping ends who looks at it. Move
// only; the mapping ends with it. Thread: any.
class SharedMemory {
 public:
  // Zeros. The descriptor is for the other process.
  static Result<SharedMemory> make(size_t size);
  // What the other process made. Malformed: not of this size, or not sealed.
  static Result<SharedMemory> map(UniqueFd fd, size_t size);
  ~SharedMemory();
  SharedMemory(SharedMemory&& other) noexcept
      : fd_(std::move(other.fd_)), memory_(std::exchange(other.memory_, {})) {}
  SharedMemory& operator=(SharedMemory&&) = delete;

  int fd() const { return fd_.get(); }
  MutableByteView view() const { return memory_; }

 private:
  SharedMemory(UniqueFd fd, MutableByteView memory) : fd_(std::move(fd)), memory_(memory) {}

  UniqueFd fd_;
  MutableByteView memory_;
};

}  // namespace braid::transport::relay
