// Names for byte sequences, and the uninitialised buffer that frames travel in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/buffer_memory.h"

namespace braid {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;
using MutableByteView = std::span<uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Memory that is not zeroed when made, for payloads of up to 8 MiB whose every byte is about to be
// written anyway: the process's own, or of somebody who gets it back when the Buffer goes. Move
// only.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size) : Buffer(BufferMemory::take(size), size) {}
  // Stands in memory that `owner` gives for it.
  Buffer(uint8_t* data, size_t size, BufferOwner& owner) : Buffer({data, &owner}, size) {}
  ~Buffer() {
    if (owner_) {
      owner_->take_back(data_, capacity_);
    } else {
      ::operator delete(data_);
    }
  }
  static Buffer copy_of(ByteView bytes) {
    Buffer buffer(bytes.size());
    if (!bytes.empty()) std::memcpy(buffer.data(), bytes.data(), bytes.size());
    return buffer;
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        owner_(std::exchange(other.owner_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer old(std::move(*this));
    data_ = std::exchange(other.data_, nullptr);
    owner_ = std::exchange(other.owner_, nullptr);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  MutableByteView view() { return {data_, size_}; }
  ByteView view() const { return {data_, size_}; }
  // Never grows past what was allocated: REQUIRES size <= capacity().
  void resize_within(size_t size) { size_ = size <= capacity_ ? size : capacity_; }

 private:
  Buffer(BufferMemory::Block block, size_t size)
      : data_(block.data), owner_(block.owner), size_(size), capacity_(size) {}

  uint8_t* data_ = nullptr;
  BufferOwner* owner_ = nullptr;  // null: none to be told
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace braid
