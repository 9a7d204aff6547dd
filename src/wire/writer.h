// Writer: appends little-endian values and fills in offsets afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"

namespace braid::wire {

// Appends to `out`. Positions count from where `out` ended when the Writer was made (the origin);
// for an SMB2 message that is the first byte of its header, so positions are the offsets the
// protocol wants.
class Writer {
 public:
  explicit Writer(Bytes& out) : Writer(out, out.size()) {}
  Writer(Bytes& out, size_t origin) : out_(out), origin_(origin) {}

  void u8(uint8_t value) { out_.push_back(value); }
  void u16(uint16_t value) { number(value); }
  void u32(uint32_t value) { number(value); }
  void u64(uint64_t value) { number(value); }
  void u16_be(uint16_t value) { number(static_cast<uint16_t>(__builtin_bswap16(value))); }
  void u32_be(uint32_t value) { number(__builtin_bswap32(value)); }
  void file_time(FileTime time) { u64(time.ticks); }
  template <class Tag>
  void id128(const Id128<Tag>& id) {
    bytes(id.bytes);
  }
  void file_id(FileId id) {
    u64(id.persistent);
    u64(id.volatile_id);
  }
  template <class Enum>
    requires std::is_enum_v<Enum>
  void value(Enum e) {
    number(static_cast<std::underlying_type_t<Enum>>(e));
  }
  void bytes(ByteView view) { out_.insert(out_.end(), view.begin(), view.end()); }
  void zeros(size_t count) { out_.resize(out_.size() + count); }
  void align(size_t boundary) {
    const size_t over = position() % boundary;
    if (over != 0) zeros(boundary - over);
  }

  size_t position() const { return out_.size() - origin_; }
  // Overwrite a value written before, at `position` from the origin.
  void patch_u16(size_t position, uint16_t value) { patch(position, value); }
  void patch_u32(size_t position, uint32_t value) { patch(position, value); }
  void patch_u64(size_t position, uint64_t value) { patch(position, value); }

  Bytes& out() { return out_; }

 private:
  template <class T>
  void number(T value) {
    const auto* raw = reinterpret_cast<const uint8_t*>(&value);
    out_.insert(out_.end(), raw, raw + sizeof value);
  }
  template <class T>
  void patch(size_t position, T value) {
    std::memcpy(out_.data() + origin_ + position, &value, sizeof value);
  }

  Bytes& out_;
  size_t origin_;
};

}  // namespace braid::wire
