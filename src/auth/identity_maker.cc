#include "auth/identity_maker.h"

#include <utility>

#include "base/log.h"

namespace braid::auth {

// Whose files a logon touches. Without the right to change users that is always the server's own.
// The one place where a Unix user becomes somebody who logs on.
Result<UnixUser> IdentityMaker::acting_user(const std::string& name) const {
  if (!can_act_as_others()) return own_unix_user();
  auto found = unix_users_->find(name);
  if (!found) {
    log::warn("no Unix user '{}' for a logon: {}", name, found.error().message());
    return fail(NtStatus::kLogonFailure);
  }
  if (!may_act_as(found->uid, min_uid_)) {
    log::warn("a logon as the Unix user '{}' is refused: its uid {} is below min_uid {}", name,
              found->uid, min_uid_);
    return fail(NtStatus::kLogonFailure);
  }
  return found;
}

Identity IdentityMaker::of_unix_user(const UnixUser& unix_user) const {
  Identity identity;
  identity.uid = unix_user.uid;
  identity.gid = unix_user.gid;
  identity.groups = unix_user.groups;
  identity.user_sid = ids_.sid_of_uid(unix_user.uid);
  identity.primary_group_sid = ids_.sid_of_gid(unix_user.gid);
  identity.group_sids = {wire::sids::kEveryone, wire::sids::kNetwork};
  for (gid_t gid : unix_user.groups) identity.group_sids.push_back(ids_.sid_of_gid(gid));
  return identity;
}

Result<std::shared_ptr<const Identity>> IdentityMaker::of_user(const User& user) const {
  if (user.is_disabled) return fail(NtStatus::kAccountDisabled);
  BRAID_TRY(const UnixUser unix_user, acting_user(user.unix_user));
  Identity identity = of_unix_user(unix_user);
  identity.account_name = user.name;
  identity.domain = domain_;
  identity.group_sids.push_back(wire::sids::kAuthenticatedUsers);
  identity.group_sids.push_back(wire::sids::kUsers);
  identity.is_admin = user.is_admin;
  if (user.is_admin) identity.group_sids.push_back(wire::sids::kAdministrators);
  return std::make_shared<const Identity>(std::move(identity));
}

Result<User> IdentityMaker::user_of_principal(const std::string& local_name) const {
  auto account = users_.find(local_name);
  if (account) return account;
  if (account.error() != Error(NtStatus::kNoSuchUser) || !can_act_as_others()) {
    return fail(NtStatus::kLogonFailure);
  }
  // The name service may know the user by another spelling.
  BRAID_TRY(const UnixUser unix_user, acting_user(local_name));
  BRAID_TRY(const bool is_shut_out, users_.shuts_out(local_name, unix_user.name));
  if (is_shut_out || unix_user.uid == kNobodyUid) {
    log::warn("the Kerberos principal '{}' is refused: {}", local_name,
              is_shut_out ? "its account was removed or disabled" : "nobody logs on as nobody");
    return fail(NtStatus::kLogonFailure);
  }
  User user;
  user.name = local_name;
  user.unix_user = unix_user.name;
  return user;
}

Result<std::shared_ptr<const Identity>> IdentityMaker::of_principal(
    const std::string& local_name, const std::string& realm) const {
  BRAID_TRY(const User user, user_of_principal(local_name));
  BRAID_TRY(auto local, of_user(user));
  Identity identity = *local;
  identity.domain = realm;
  return std::make_shared<const Identity>(std::move(identity));
}

Result<std::shared_ptr<const Identity>> IdentityMaker::guest() const {
  BRAID_TRY(const UnixUser unix_user, acting_user(guest_unix_user_));
  Identity identity = of_unix_user(unix_user);
  identity.account_name = "Guest";
  identity.domain = domain_;
  identity.group_sids.push_back(wire::sids::kGuests);
  identity.is_guest = true;
  return std::make_shared<const Identity>(std::move(identity));
}

std::shared_ptr<const Identity> IdentityMaker::anonymous() const {
  // Acts as the guest's Unix user where the caller lets it reach files at all.
  Identity identity;
  if (auto unix_user = acting_user(guest_unix_user_)) {
    identity = of_unix_user(*unix_user);
  } else {
    identity.uid = kNobodyUid;  // and "nogroup" on every Linux
    identity.gid = kNobodyUid;
    identity.groups = {kNobodyUid};
  }
  identity.user_sid = wire::sids::kAnonymous;
  identity.primary_group_sid = wire::sids::kAnonymous;
  identity.group_sids = {wire::sids::kEveryone, wire::sids::kNetwork};
  identity.is_anonymous = true;
  return std::make_shared<const Identity>(std::move(identity));
}

}  // namespace braid::auth
