// The Unix user behind the accounts of unit tests.
#pragma once

#include "auth/unix_user.h"

namespace braid::auth {

// Root is never one: as root it is somebody that every Linux has and an account may name.
inline UnixUser test_unix_user() {
  return can_act_as_others() ? *find_unix_user("nobody") : own_unix_user();
}

}  // namespace braid::auth
