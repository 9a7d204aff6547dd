// Whose share of what all users have in common an open or a watch takes.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "auth/identity.h"
#include "filestate/types.h"

namespace braid::smb2 {

// The same for all sessions of a user; a server that is not root has one uid for all of them. That
// two users meet in one of 2^31 numbers only makes them share.
inline filestate::Account account_of(const auth::Identity& identity) {
  const size_t hash = std::hash<std::string>{}(identity.domain + '\\' + identity.account_name);
  return filestate::Account{static_cast<uint32_t>(hash) | 1};
}

inline filestate::Account account_of(const std::shared_ptr<const auth::Identity>& identity) {
  return identity ? account_of(*identity) : filestate::Account::kNone;
}

}  // namespace braid::smb2
