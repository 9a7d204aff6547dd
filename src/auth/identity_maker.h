// Identities of logged-on users, from the user store and the system's user database.
#pragma once

#include <memory>
#include <string>

#include "auth/id_mapper.h"
#include "auth/identity.h"
#include "auth/unix_user.h"
#include "auth/user_store.h"
#include "base/result.h"

namespace braid::auth {

// Owner: the Authenticator. Thread: any. May wait for a name service.
class IdentityMaker {
 public:
  // `users` and `ids` outlive it. `domain`: what local accounts say theirs is.
  IdentityMaker(const UserStore& users, const IdMapper& ids, std::string domain,
                std::string guest_unix_user)
      : users_(users),
        ids_(ids),
        domain_(std::move(domain)),
        guest_unix_user_(std::move(guest_unix_user)) {}

  const UserStore& users() const { return users_; }

  // STATUS_ACCOUNT_DISABLED, or STATUS_LOGON_FAILURE if its Unix user is gone.
  Result<std::shared_ptr<const Identity>> of_user(const User& user) const;
  // `local_name`: what the Kerberos library's rules make of the principal. An account of that name
  // wins over a Unix user. A server that is not root takes accounts only, since every logon would
  // act as the server's own user.
  Result<std::shared_ptr<const Identity>> of_principal(const std::string& local_name,
                                                       const std::string& realm) const;
  Result<std::shared_ptr<const Identity>> guest() const;
  std::shared_ptr<const Identity> anonymous() const;

 private:
  Identity of_unix_user(const UnixUser& unix_user) const;

  const UserStore& users_;
  const IdMapper& ids_;
  std::string domain_;
  std::string guest_unix_user_;
};

}  // namespace braid::auth
