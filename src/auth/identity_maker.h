// Identities of logged-on users, from the user store and the system's user database.
#pragma once

#include <memory>
#include <string>

#include "auth/id_mapper.h"
#include "auth/identity.h"
#include "auth/unix_user.h"
#include "auth/unix_user_cache.h"
#include "auth/user_store.h"
#include "base/result.h"

namespace braid::auth {

// Owner: the Authenticator. Thread: any. May wait for a name service.
class IdentityMaker {
 public:
  // `users` and `ids` outlive it. `domain`: what local accounts say theirs is. `min_uid`: nobody
  // acts as a Unix user below it, if the server can act as others at all.
  IdentityMaker(const UserStore& users, const IdMapper& ids, std::string domain,
                std::string guest_unix_user, uid_t min_uid)
      : users_(users),
        ids_(ids),
        domain_(std::move(domain)),
        guest_unix_user_(std::move(guest_unix_user)),
        min_uid_(min_uid) {}

  const UserStore& users() const { return users_; }

  // STATUS_ACCOUNT_DISABLED, or STATUS_LOGON_FAILURE if its Unix user is gone or below the floor.
  Result<std::shared_ptr<const Identity>> of_user(const User& user) const;
  // `local_name`: what the Kerberos library's rules make of the principal. An account of that name
  // decides. Without one the principal is the Unix user of that name, unless that is "nobody" or
  // the store shuts it out (UserStore::shuts_out). A server that is not root takes accounts only,
  // since every logon would act as the server's own user.
  Result<std::shared_ptr<const Identity>> of_principal(const std::string& local_name,
                                                       const std::string& realm) const;
  Result<std::shared_ptr<const Identity>> guest() const;
  std::shared_ptr<const Identity> anonymous() const;

 private:
  Result<UnixUser> acting_user(const std::string& name) const;
  Result<User> user_of_principal(const std::string& local_name) const;
  Identity of_unix_user(const UnixUser& unix_user) const;

  const UserStore& users_;
  const IdMapper& ids_;
  std::string domain_;
  std::string guest_unix_user_;
  uid_t min_uid_;
  const std::unique_ptr<UnixUserCache> unix_users_ = std::make_unique<UnixUserCache>();
};

}  // namespace braid::auth
