#include "auth/identity.h"

#include "wire/fold.h"

namespace braid::auth {

bool Identity::is_same_user(const Identity& other) const {
  return user_sid == other.user_sid && is_guest == other.is_guest &&
         is_anonymous == other.is_anonymous && wire::equal_fold(account_name, other.account_name);
}

}  // namespace braid::auth
