// One account as a line of the users file. For this folder only.
#pragma once

#include <string>
#include <string_view>

#include "auth/user_store.h"
#include "base/result.h"
#include "crypto/sealing.h"

namespace braid::auth {

// "name:unix_user:flags:sealed" with flags of 'D' (disabled) and 'A' (admin), and sealed the
// hexadecimal of 12 bytes nonce, 16 bytes encrypted NT hash and 16 bytes tag. The tag covers the
// other fields too, so a hash cannot be moved to another name nor a flag be changed.
std::string seal_user_line(const User& user, const crypto::CipherKey& key);
// Malformed for a line that is not ours, STATUS_ACCESS_DENIED for one sealed with another key.
Result<User> open_user_line(std::string_view line, const crypto::CipherKey& key);

}  // namespace braid::auth
