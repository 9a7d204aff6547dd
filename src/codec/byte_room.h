// Bytes that may be missing and room that may end, for the algorithms of MS-XCA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace braid::codec {

// Takes little-endian values off `in`. What is not there is 0, and ok() is false from then on.
class ByteSource {
 public:
  explicit ByteSource(ByteView in) : in_(in) {}

  uint8_t u8() { return number<uint8_t>(); }
  uint16_t u16() { return number<uint16_t>(); }
  uint32_t u32() { return number<uint32_t>(); }
  ByteView bytes(size_t count) {
    if (count > remaining()) {
      ok_ = false;
      return {};
    }
    const ByteView taken = in_.subspan(at_, count);
    at_ += count;
    return taken;
  }
  size_t remaining() const { return in_.size() - at_; }
  bool ok() const { return ok_; }

 private:
  template <class T>
  T number() {
    T value{};
    if (const ByteView there = bytes(sizeof value); !there.empty()) {
      std::memcpy(&value, there.data(), sizeof value);
    }
    return value;
  }

  const ByteView in_;
  size_t at_ = 0;
  bool ok_ = true;
};

// Puts little-endian values into `out`. What has no room is left out, and ok() is false from then
// on.
class ByteRoom {
 public:
  explicit ByteRoom(MutableByteView out) : out_(out) {}

  void u8(uint8_t value) { put(value); }
  void u16(uint16_t value) { put(value); }
  void u32(uint32_t value) { put(value); }
  void bytes(ByteView bytes) {
    const size_t at = reserve(bytes.size());
    if (ok_ && !bytes.empty()) std::memcpy(out_.data() + at, bytes.data(), bytes.size());
  }
  // Room for `count` bytes that are written later; where it begins.
  size_t reserve(size_t count) {
    if (count > out_.size() - at_) {
      ok_ = false;
      return 0;
    }
    at_ += count;
    return at_ - count;
  }
  // Into what was reserved.
  template <class T>
  void put_at(size_t at, T value) {
    if (ok_) std::memcpy(out_.data() + at, &value, sizeof value);
  }
  void or_at(size_t at, uint8_t bits) {
    if (ok_) out_[at] |= bits;
  }
  // Takes back what was put behind `size`.
  void shrink_to(size_t size) { at_ = size; }
  size_t size() const { return at_; }
  bool ok() const { return ok_; }

 private:
  template <class T>
  void put(T value) {
    put_at(reserve(sizeof value), value);
  }

  const MutableByteView out_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace braid::codec
