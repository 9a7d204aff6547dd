// Security descriptors in self-relative form, the only form on the wire.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/dtyp/acl.h"
#include "wire/dtyp/sid.h"

namespace braid::wire {

// [MS-DTYP] 2.4.6 "SECURITY_DESCRIPTOR", Control.
namespace sd_control {
inline constexpr uint16_t kOwnerDefaulted = 0x0001;
inline constexpr uint16_t kGroupDefaulted = 0x0002;
inline constexpr uint16_t kDaclPresent = 0x0004;
inline constexpr uint16_t kDaclDefaulted = 0x0008;
inline constexpr uint16_t kSaclPresent = 0x0010;
inline constexpr uint16_t kSaclDefaulted = 0x0020;
inline constexpr uint16_t kDaclTrusted = 0x0040;
inline constexpr uint16_t kServerSecurity = 0x0080;
inline constexpr uint16_t kDaclAutoInheritRequired = 0x0100;
inline constexpr uint16_t kSaclAutoInheritRequired = 0x0200;
inline constexpr uint16_t kDaclAutoInherited = 0x0400;
inline constexpr uint16_t kSaclAutoInherited = 0x0800;
inline constexpr uint16_t kDaclProtected = 0x1000;
inline constexpr uint16_t kSaclProtected = 0x2000;
inline constexpr uint16_t kRmControlValid = 0x4000;
inline constexpr uint16_t kSelfRelative = 0x8000;
}  // namespace sd_control

// [MS-DTYP] 2.4.6 "SECURITY_DESCRIPTOR". `control` is kept as it came, except that encode() always
// sets kSelfRelative. An absent DACL with kDaclPresent set is the NULL DACL, which grants
// everything; a present, empty one grants nothing. The two must never be mixed up.
struct SecurityDescriptor {
  static constexpr size_t kHeaderSize = 20;

  uint8_t resource_manager_control = 0;  // Sbz1; means something with kRmControlValid only
  uint16_t control = sd_control::kSelfRelative;
  std::optional<Sid> owner;
  std::optional<Sid> group;
  std::optional<Acl> sacl;
  std::optional<Acl> dacl;

  bool has_null_dacl() const { return (control & sd_control::kDaclPresent) != 0 && !dacl; }

  // Offsets count from the first byte of `bytes`. Parts may be in any order and may overlap, as
  // some senders let owner and group share one SID; truncated or malformed if one does not fit.
  // An ACL whose present bit is clear is ignored whatever its offset.
  static Result<SecurityDescriptor> decode(ByteView bytes);
  // Header, SACL, DACL, owner, group: the order Windows sends. The present bits are set for ACLs
  // that are there.
  // kInvalidAcl: a list is longer than its AclSize can say, as one with many inherited entries or
  // one made of a file system's long list may be. Nothing is written then.
  Result<void> encode(Writer& w) const;
  Result<Bytes> encode() const;
  size_t encoded_size() const;

  bool operator==(const SecurityDescriptor&) const = default;
};

}  // namespace braid::wire
