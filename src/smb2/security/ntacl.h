// The extended attribute that keeps a security descriptor.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "wire/dtyp/security_descriptor.h"

namespace braid::smb2 {

// The form Samba's acl_xattr module stores, so that a directory can be served by either. NDR,
// little-endian: version twice (field and union discriminant, 16 bits each), then
//   1  pointer to the descriptor
//   2  pointer to {pointer to the descriptor, hash[16]}
//   3  pointer to {pointer to the descriptor, hash type (16 bits), hash[64]}
//   4  pointer to {pointer to the descriptor, hash type (16 bits), hash[64], NUL-terminated
//      description, time (64 bits, aligned to 4), system ACL hash[64]}
// and last, aligned to 4, the descriptor, whose offsets count from the first byte of the attribute.
struct NtAcl {
  static constexpr uint16_t kVersion = 4;
  static constexpr uint16_t kHashNone = 0;
  static constexpr uint16_t kHashSha256 = 1;
  static constexpr size_t kHashSize = 64;  // of which SHA-256 fills the first 32
  // An attribute is at most 64 KiB; more is not one.
  static constexpr size_t kSizeMax = 64 * 1024;
  using Hash = std::array<uint8_t, kHashSize>;

  uint16_t version = kVersion;
  uint16_t hash_type = kHashNone;  // of both hashes
  Hash hash{};                     // of the descriptor
  std::string description;         // what system_acl_hash was made from: "posix_acl"
  FileTime time;                   // when it was stored
  // Of what the kernel checked by when the descriptor was stored (posix_acl.h). None before
  // version 4.
  std::optional<Hash> system_acl_hash;
  wire::SecurityDescriptor descriptor;

  // Truncated or malformed for bytes that are none of the versions.
  static Result<NtAcl> decode(ByteView bytes);
  // Version 4, whatever `version` says.
  // kInvalidAcl: see SecurityDescriptor::encode().
  Result<Bytes> encode() const;
};

}  // namespace braid::smb2
