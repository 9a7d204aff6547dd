// Access control entries and lists.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/dtyp/sid.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-DTYP] 2.4.4.1 "ACE_HEADER", AceType.
enum class AceType : uint8_t {
  kAccessAllowed = 0x00,
  kAccessDenied = 0x01,
  kSystemAudit = 0x02,
  kSystemAlarm = 0x03,
  kAccessAllowedCompound = 0x04,
  kAccessAllowedObject = 0x05,
  kAccessDeniedObject = 0x06,
  kSystemAuditObject = 0x07,
  kSystemAlarmObject = 0x08,
  kAccessAllowedCallback = 0x09,
  kAccessDeniedCallback = 0x0A,
  kAccessAllowedCallbackObject = 0x0B,
  kAccessDeniedCallbackObject = 0x0C,
  kSystemAuditCallback = 0x0D,
  kSystemAlarmCallback = 0x0E,
  kSystemAuditCallbackObject = 0x0F,
  kSystemAlarmCallbackObject = 0x10,
  kSystemMandatoryLabel = 0x11,
  kSystemResourceAttribute = 0x12,
  kSystemScopedPolicyId = 0x13,
};

// [MS-DTYP] 2.4.4.1 "ACE_HEADER", AceFlags.
namespace ace_flag {
inline constexpr uint8_t kObjectInherit = 0x01;
inline constexpr uint8_t kContainerInherit = 0x02;
inline constexpr uint8_t kNoPropagateInherit = 0x04;
inline constexpr uint8_t kInheritOnly = 0x08;
inline constexpr uint8_t kInherited = 0x10;
inline constexpr uint8_t kSuccessfulAccess = 0x40;
inline constexpr uint8_t kFailedAccess = 0x80;
}  // namespace ace_flag

// Which of the two GUIDs of an object ACE are there: [MS-DTYP] 2.4.4.3 "ACCESS_ALLOWED_OBJECT_ACE".
struct AceObjectTypes {
  std::optional<Guid> object_type;
  std::optional<Guid> inherited_object_type;
  bool operator==(const AceObjectTypes&) const = default;
};

// [MS-DTYP] 2.4.4 "ACE", all types. What this code has no fields for is kept byte for byte, so that
// a decoded entry encodes to what was received.
struct Ace {
  AceType type = AceType::kAccessAllowed;
  uint8_t flags = 0;
  uint32_t mask = 0;
  std::optional<AceObjectTypes> object;  // there for the object types only
  Sid sid;
  // What follows the SID: conditions of callback ACEs, resource attributes, padding. For types
  // without mask and SID (has_sid() is false): everything after the header.
  Bytes rest;

  bool has_sid() const;
  bool is_object() const;
  // Takes part in an access check of the object that carries it.
  bool is_effective() const { return (flags & ace_flag::kInheritOnly) == 0; }

  static Result<Ace> decode(Reader& r);
  void encode(Writer& w) const;
  size_t encoded_size() const;

  bool operator==(const Ace&) const = default;
};

Ace allow(const Sid& sid, uint32_t mask, uint8_t flags = 0);
Ace deny(const Sid& sid, uint32_t mask, uint8_t flags = 0);

// [MS-DTYP] 2.4.5 "ACL".
struct Acl {
  static constexpr uint8_t kRevision = 2;
  static constexpr uint8_t kRevisionDs = 4;  // with object ACEs
  static constexpr size_t kHeaderSize = 8;
  static constexpr size_t kSizeMax = 0xffff;  // AclSize is 16 bits

  uint8_t revision = kRevision;
  std::vector<Ace> aces;

  static Result<Acl> decode(Reader& r);
  // REQUIRES encoded_size() <= kSizeMax, which check() says.
  void encode(Writer& w) const;
  size_t encoded_size() const;
  // kInvalidAcl if the list cannot be sent.
  Result<void> check() const;

  bool operator==(const Acl&) const = default;
};

}  // namespace braid::wire
