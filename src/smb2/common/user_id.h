// Names a user by a number, for what is found by user: leases, and shares of what all have in
// common.
#pragma once

#include "auth/identity.h"
#include "filestate/types.h"

namespace braid::smb2 {

// The same for two identities if Identity::is_same_user() and, but for a collision of SHA-256 cut
// to 64 bits, only then; in every worker.
filestate::UserId user_id_of(const auth::Identity& identity);

}  // namespace braid::smb2
