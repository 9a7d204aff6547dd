// What a client may cache, and the oplock levels that name fixed sets of it.
#pragma once

#include <cstdint>

namespace braid::filestate {

// Lease states, [MS-SMB2] 2.2.13.2.8 "SMB2_CREATE_REQUEST_LEASE". A set of bits with the wire's
// values, so that a codec casts and nothing translates.
enum class Caching : uint8_t {
  kNone = 0,
  kRead = 0x01,
  kHandle = 0x02,
  kWrite = 0x04,
  kReadHandle = kRead | kHandle,
  kReadWrite = kRead | kWrite,
  kReadWriteHandle = kRead | kWrite | kHandle,
};
constexpr Caching operator|(Caching a, Caching b) {
  return static_cast<Caching>(static_cast<uint8_t>(a) | static_cast<uint8_t>(b));
}
constexpr Caching operator&(Caching a, Caching b) {
  return static_cast<Caching>(static_cast<uint8_t>(a) & static_cast<uint8_t>(b));
}
// What is left of `a` once `b` is taken away.
constexpr Caching operator-(Caching a, Caching b) {
  return static_cast<Caching>(static_cast<uint8_t>(a) & ~static_cast<uint8_t>(b));
}
constexpr bool any(Caching a) { return a != Caching::kNone; }
constexpr bool has(Caching set, Caching bits) { return (set & bits) == bits; }
constexpr bool is_subset(Caching of, Caching set) { return !any(of - set); }

// The four non-empty states a server grants; any other request is granted as none.
// [MS-FSA] 2.1.5.18 "Server Requests an Oplock".
constexpr bool is_grantable(Caching state) {
  return state == Caching::kRead || state == Caching::kReadHandle || state == Caching::kReadWrite ||
         state == Caching::kReadWriteHandle;
}

// [MS-SMB2] 2.2.13 "SMB2 CREATE Request", RequestedOplockLevel.
enum class OplockLevel : uint8_t {
  kNone = 0x00,
  kLevelII = 0x01,
  kExclusive = 0x08,
  kBatch = 0x09,
  kLease = 0xFF,
};

// The caching an oplock stands for. kLease has no fixed one and counts as none here.
constexpr Caching caching_of(OplockLevel level) {
  switch (level) {
    case OplockLevel::kLevelII:
      return Caching::kRead;
    case OplockLevel::kExclusive:
      return Caching::kReadWrite;
    case OplockLevel::kBatch:
      return Caching::kReadWriteHandle;
    case OplockLevel::kNone:
    case OplockLevel::kLease:
      break;
  }
  return Caching::kNone;
}

}  // namespace braid::filestate
