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

// Owns memory that is not zeroed when made, for payloads of up to 8 MiB whose every byte is about
// to be written anyway. Move only.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size) : data_(BufferMemory::take(size)), size_(size), capacity_(size) {}
  ~Buffer() { BufferMemory::give_back(data_, capacity_); }
  static Buffer copy_of(ByteView bytes) {
    Buffer buffer(bytes.size());
    if (!bytes.empty()) std::memcpy(buffer.data(), bytes.data(), bytes.size());
    return buffer;
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer old(std::move(*this));
    data_ = std::exchange(other.data_, nullptr);
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
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace braid
