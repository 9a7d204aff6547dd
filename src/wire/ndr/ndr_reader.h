// Reading stub data in the NDR transfer syntax.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/dtyp/sid.h"
#include "wire/reader.h"

namespace braid::wire {

// [C706] 14.3.12.3 context handle: attributes and a UUID. All zeros is the null handle.
struct NdrContextHandle {
  uint32_t attributes = 0;
  Guid uuid;
  constexpr auto operator<=>(const NdrContextHandle&) const = default;
  constexpr bool is_null() const { return *this == NdrContextHandle{}; }
};

// RPC_UNICODE_STRING before its characters: [MS-DTYP] 2.3.10 "RPC_UNICODE_STRING".
struct NdrUnicodeHeader {
  uint16_t length = 0;          // bytes
  uint16_t maximum_length = 0;  // bytes
  bool present = false;         // the pointer is not null
};

// Of who wrote it, as the data representation says.
enum class ByteOrder : uint8_t { kLittle, kBig };
// An id read as bytes, whose first three fields are numbers.
Guid guid_in_order(Guid as_bytes, ByteOrder order);

// NDR 2.0 in either byte order, [C706] chapter 14. Values are aligned to their size from the start
// of the stub. Errors stick as in wire::Reader. Pointers are read in two steps as they travel:
// pointer() where it stands, the pointee where the referents are deferred to.
class NdrReader {
 public:
  explicit NdrReader(ByteView stub, ByteOrder order = ByteOrder::kLittle)
      : r_(stub), is_big_(order == ByteOrder::kBig) {}

  uint8_t u8() { return r_.u8(); }
  uint16_t u16() {
    align(2);
    return is_big_ ? r_.u16_be() : r_.u16();
  }
  uint32_t u32() {
    align(4);
    return is_big_ ? r_.u32_be() : r_.u32();
  }
  uint64_t u64() {
    align(8);
    const uint64_t value = r_.u64();
    return is_big_ ? __builtin_bswap64(value) : value;
  }
  // True unless null.
  bool pointer() { return u32() != 0; }
  NdrContextHandle context_handle();
  Guid guid();

  // The count before the elements of a conformant array; malformed above `max`, and if the
  // elements, at `element_size` bytes or more each, could not all be in what is left.
  uint32_t conformance(uint32_t max, uint32_t element_size);
  // Conformant and varying string of 16-bit characters, UTF-8 without the terminator. At most
  // `units_max` units; malformed with an offset, or more characters than the maximum count.
  std::string wide_string(uint32_t units_max = kStringUnitsMax);
  // [unique] pointer and its string, as parameters of a call have it: both in place.
  std::optional<std::string> unique_wide_string(uint32_t units_max = kStringUnitsMax);
  // RPC_UNICODE_STRING: the header, and later its characters.
  NdrUnicodeHeader unicode_header();
  std::string unicode_body(const NdrUnicodeHeader& header);
  // RPC_SID: [MS-DTYP] 2.4.2.3 "RPC_SID".
  Sid sid();
  // `count` bytes as they are.
  ByteView bytes(uint64_t count) { return r_.bytes(count); }

  void align(size_t boundary);
  void expect(bool condition) { r_.expect(condition); }
  bool ok() const { return r_.ok(); }
  size_t remaining() const { return r_.remaining(); }
  Error error() const { return r_.error(); }
  template <class T>
  Result<T> finish(T value) const {
    return r_.finish(std::move(value));
  }

  // Longer than any name, path or comment that the interfaces here take.
  static constexpr uint32_t kStringUnitsMax = 4096;

 private:
  ByteOrder order() const { return is_big_ ? ByteOrder::kBig : ByteOrder::kLittle; }
  // UTF-8 of 16-bit characters; a malformed one fails the reader.
  std::string text_of(ByteView units);

  Reader r_;
  bool is_big_;
};

}  // namespace braid::wire
