#include "smb2/security/evaluate.h"

#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Ace;
using wire::AceType;

// What an entry does in a check without object types and without claims to test conditions by.
enum class Effect : uint8_t { kNone, kAllow, kDeny };

Effect effect_of(const Ace& ace) {
  if (!ace.is_effective()) return Effect::kNone;
  const bool for_part = ace.object && ace.object->object_type.has_value();
  switch (ace.type) {
    case AceType::kAccessAllowed:
      return Effect::kAllow;
    case AceType::kAccessDenied:
      return Effect::kDeny;
    case AceType::kAccessAllowedObject:
      return for_part ? Effect::kNone : Effect::kAllow;
    case AceType::kAccessDeniedObject:
      return for_part ? Effect::kNone : Effect::kDeny;
    // A condition that cannot be evaluated allows nothing and denies what it may deny.
    case AceType::kAccessDeniedCallback:
      return Effect::kDeny;
    case AceType::kAccessDeniedCallbackObject:
      return for_part ? Effect::kNone : Effect::kDeny;
    default:
      return Effect::kNone;
  }
}

bool speaks_of_owner(const wire::Acl& dacl) {
  return std::ranges::any_of(dacl.aces, [](const Ace& ace) {
    return ace.sid == wire::sids::kOwnerRights && effect_of(ace) != Effect::kNone;
  });
}

}  // namespace

uint32_t map_generic(uint32_t access) {
  uint32_t mapped = access & ~(Access::kGenericAll | Access::kGenericRead | Access::kGenericWrite |
                               Access::kGenericExecute);
  if (access & Access::kGenericAll) mapped |= Access::kFileAllAccess;
  if (access & Access::kGenericRead) mapped |= Access::kFileGenericRead;
  if (access & Access::kGenericWrite) mapped |= Access::kFileGenericWrite;
  if (access & Access::kGenericExecute) mapped |= Access::kFileGenericExecute;
  return mapped;
}

uint32_t granted_by(const wire::SecurityDescriptor& descriptor, const AccessToken& token) {
  if (token.is_root) return Access::kFileAllAccess;
  if (!descriptor.dacl) return Access::kFileAllAccess;
  const bool is_owner = descriptor.owner && token.contains(*descriptor.owner);
  uint32_t granted = 0;
  uint32_t denied = 0;
  if (is_owner && !speaks_of_owner(*descriptor.dacl)) {
    granted = Access::kReadControl | Access::kWriteDac;
  }
  for (const Ace& ace : descriptor.dacl->aces) {
    const Effect effect = effect_of(ace);
    if (effect == Effect::kNone) continue;
    const bool concerned =
        token.contains(ace.sid) || (is_owner && ace.sid == wire::sids::kOwnerRights);
    if (!concerned) continue;
    if (effect == Effect::kAllow) {
      granted |= ace.mask & ~denied;
    } else {
      denied |= ace.mask & ~granted;
    }
  }
  return granted & Access::kFileAllAccess;
}

uint32_t granted_by_privilege(const AccessToken& token) {
  if (!token.is_admin && !token.is_root) return 0;
  return Access::kAccessSystemSecurity | Access::kWriteOwner;
}

}  // namespace braid::smb2
