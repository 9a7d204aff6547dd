// Reader: the one place where bounds of received bytes are checked.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"

namespace braid::wire {

// Takes little-endian values off a view. Errors stick: after the first, every further read gives
// zeros and an empty view, so a decode() reads its fields in wire order and asks once at the end:
//
//   Echo echo;
//   r.expect_u16(4);
//   echo.reserved = r.u16();
//   return r.finish(echo);
//
// Offsets given to at() count from the first byte of the view the Reader was made with; for SMB2
// bodies that is the first byte of the SMB2 header, as the fields on the wire do.
class Reader {
 public:
  explicit Reader(ByteView whole, size_t position = 0) : whole_(whole), position_(position) {
    if (position > whole.size()) fail(Error::truncated());
  }

  uint8_t u8() { return number<uint8_t>(); }
  uint16_t u16() { return number<uint16_t>(); }
  uint32_t u32() { return number<uint32_t>(); }
  uint64_t u64() { return number<uint64_t>(); }
  uint16_t u16_be() { return static_cast<uint16_t>(__builtin_bswap16(u16())); }
  uint32_t u32_be() { return __builtin_bswap32(u32()); }
  FileTime file_time() { return {u64()}; }
  template <class IdType>
  IdType id128() {
    IdType id;
    ByteView view = bytes(id.bytes.size());
    if (view.size() == id.bytes.size()) std::memcpy(id.bytes.data(), view.data(), view.size());
    return id;
  }
  template <size_t kCount>
  std::array<uint8_t, kCount> array() {
    std::array<uint8_t, kCount> value{};
    ByteView view = bytes(kCount);
    if (view.size() == kCount) std::memcpy(value.data(), view.data(), kCount);
    return value;
  }
  FileId file_id() {
    const uint64_t persistent = u64();
    return {persistent, u64()};
  }
  template <class Enum>
  Enum as() {
    return static_cast<Enum>(number<std::underlying_type_t<Enum>>());
  }

  // The next `count` bytes.
  ByteView bytes(uint64_t count) {
    if (!ok_ || count > remaining()) {
      fail(Error::truncated());
      return {};
    }
    ByteView view = whole_.subspan(position_, count);
    position_ += count;
    return view;
  }
  ByteView rest() { return bytes(remaining()); }
  void skip(uint64_t count) { bytes(count); }
  // Moves to the next multiple of `boundary` from the start; allowed to stop at the end.
  void align(size_t boundary) {
    const size_t over = position_ % boundary;
    if (over != 0) skip(std::min(boundary - over, remaining()));
  }
  void seek(uint64_t position) {
    if (position > whole_.size()) return fail(Error::truncated());
    position_ = position;
  }
  // `length` bytes from `offset`; an empty view for length 0 whatever the offset says.
  ByteView at(uint64_t offset, uint64_t length) {
    if (length == 0 || !ok_) return {};
    if (offset > whole_.size() || length > whole_.size() - offset) {
      fail(Error::truncated());
      return {};
    }
    return whole_.subspan(offset, length);
  }

  // StructureSize fields and other constants: malformed unless equal.
  void expect_u16(uint16_t value) {
    if (u16() != value) fail(Error::malformed());
  }
  void expect(bool condition) {
    if (!condition) fail(Error::malformed());
  }
  void fail(Error error) {
    if (ok_) {
      ok_ = false;
      error_ = error;
    }
  }

  bool ok() const { return ok_; }
  Error error() const { return error_; }
  size_t position() const { return position_; }
  size_t remaining() const { return ok_ ? whole_.size() - position_ : 0; }
  ByteView whole() const { return whole_; }

  // The value if everything read so far was there, the first error otherwise.
  template <class T>
  Result<T> finish(T value) const {
    if (!ok_) return std::unexpected(error_);
    return value;
  }

 private:
  template <class T>
  T number() {
    T value{};
    if (!ok_ || remaining() < sizeof value) {
      fail(Error::truncated());
      return T{};
    }
    std::memcpy(&value, whole_.data() + position_, sizeof value);
    position_ += sizeof value;
    return value;
  }

  ByteView whole_;
  size_t position_;
  bool ok_ = true;
  Error error_ = Error::truncated();
};

}  // namespace braid::wire
