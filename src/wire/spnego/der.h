// The part of DER that SPNEGO tokens are made of.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/reader.h"

namespace braid::wire::der {

inline constexpr uint8_t kBitString = 0x03;
inline constexpr uint8_t kOctetString = 0x04;
inline constexpr uint8_t kOid = 0x06;
inline constexpr uint8_t kEnumerated = 0x0a;
inline constexpr uint8_t kGeneralString = 0x1b;
inline constexpr uint8_t kSequence = 0x30;
inline constexpr uint8_t kApplication0 = 0x60;  // constructed [APPLICATION 0]
inline constexpr uint8_t kKrbApReq = 0x6e;      // constructed [APPLICATION 14]: [RFC4120] 5.5.1
constexpr uint8_t context(uint8_t number) { return static_cast<uint8_t>(0xa0 | number); }

struct Element {
  uint8_t tag = 0;
  ByteView content;
  ByteView whole;  // with tag and length
};

// The next element of `r`. Single-byte tags and definite lengths of up to 4 octets; lengths that
// could be shorter are taken, since some encoders reserve room for them. Fails in `r`.
Element read(Reader& r);
// read(), and malformed for another tag.
Element read(Reader& r, uint8_t tag);
// The element inside an explicitly tagged one: malformed unless it has that tag and fills it.
Result<Element> unwrap(ByteView content, uint8_t tag);

// Tag, shortest length and the concatenation of `contents`.
Bytes element(uint8_t tag, std::initializer_list<ByteView> contents);

}  // namespace braid::wire::der
