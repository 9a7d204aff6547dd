// What of a share goes into the audit: the entries of [[share]] audit.
#pragma once

#include <cstdint>

namespace braid::config {

enum class AuditKind : uint8_t {
  kConnect,
  kOpen,
  kCreate,  // also what empties a file
  kWrite,   // once for each open
  kRename,
  kDelete,
  kSecurity,
  kDenied,
};
inline constexpr int kAuditKinds = 8;

// A set of them. A value.
struct AuditKinds {
  uint32_t bits = (1u << kAuditKinds) - 1;  // all

  constexpr bool has(AuditKind kind) const { return (bits >> static_cast<int>(kind) & 1) != 0; }
  constexpr void add(AuditKind kind) { bits |= 1u << static_cast<int>(kind); }
  bool operator==(const AuditKinds&) const = default;
};

}  // namespace braid::config
