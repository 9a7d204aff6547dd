// Whom a security descriptor is evaluated for.
#pragma once

#include <algorithm>
#include <span>

#include "auth/identity.h"
#include "wire/dtyp/sid.h"

namespace braid::smb2 {

// [MS-DTYP] 2.5.2 "Token/Authorization Context". A view: lives as long as the identity it was made
// from.
struct AccessToken {
  wire::Sid user;
  std::span<const wire::Sid> groups;
  // SeSecurityPrivilege, SeTakeOwnershipPrivilege and SeRestorePrivilege, which administrators
  // have.
  bool is_admin = false;
  // Acts as uid 0, whom the kernel refuses nothing.
  bool is_root = false;

  bool contains(const wire::Sid& sid) const {
    return sid == user || std::ranges::find(groups, sid) != groups.end();
  }
};

inline AccessToken token_of(const auth::Identity& identity) {
  return {.user = identity.user_sid,
          .groups = identity.group_sids,
          .is_admin = identity.is_admin,
          .is_root = identity.uid == 0};
}

}  // namespace braid::smb2
