// DrepReader: the parts of a PDU in the byte order of who wrote it.
#pragma once

#include "wire/ndr/ndr_reader.h"
#include "wire/reader.h"

namespace braid::rpc {

// [C706] 14.1 "Data Representation Format Label": whoever receives makes it right. Nothing is
// aligned but by who reads. Errors stick as in wire::Reader.
class DrepReader {
 public:
  DrepReader(wire::Reader reader, wire::ByteOrder order) : r_(reader), order_(order) {}

  uint8_t u8() { return r_.u8(); }
  uint16_t u16() {
    const uint16_t value = r_.u16();
    return order_ == wire::ByteOrder::kBig ? __builtin_bswap16(value) : value;
  }
  uint32_t u32() {
    const uint32_t value = r_.u32();
    return order_ == wire::ByteOrder::kBig ? __builtin_bswap32(value) : value;
  }
  Guid guid() { return wire::guid_in_order(r_.id128<Guid>(), order_); }
  template <class Enum>
  Enum as() {
    static_assert(sizeof(Enum) == 1);
    return r_.as<Enum>();
  }
  void skip(size_t count) { r_.skip(count); }
  bool ok() const { return r_.ok(); }
  size_t position() const { return r_.position(); }
  size_t remaining() const { return r_.remaining(); }
  ByteView rest() { return r_.rest(); }
  template <class T>
  Result<T> finish(T value) const {
    return r_.finish(std::move(value));
  }

 private:
  wire::Reader r_;
  wire::ByteOrder order_;
};

}  // namespace braid::rpc
