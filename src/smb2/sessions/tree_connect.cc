#include "smb2/sessions/tree_connect.h"

#include <algorithm>

namespace braid::smb2 {
namespace {

Principal with_primary_group(const Principal& who, gid_t group, const wire::Sid& sid) {
  const auto add = [](auto& list, const auto& value) {
    if (std::ranges::find(list, value) == list.end()) list.push_back(value);
  };
  auto identity = std::make_shared<auth::Identity>(*who.identity);
  identity->gid = group;
  identity->primary_group_sid = sid;
  add(identity->groups, group);
  add(identity->group_sids, sid);
  auto credentials = std::make_shared<UnixCredentials>(*who.credentials);
  credentials->gid = group;
  add(credentials->groups, group);
  return {std::move(identity), std::move(credentials)};
}

// Still called what the account is called: that is who is in the log, and whose open it is.
Principal as_user(const Principal& who, const auth::UnixUser& user, const auth::IdMapper& ids) {
  auto identity = std::make_shared<auth::Identity>(*who.identity);
  identity->uid = user.uid;
  identity->gid = user.gid;
  identity->groups = user.groups;
  identity->user_sid = ids.sid_of_uid(user.uid);
  identity->primary_group_sid = ids.sid_of_gid(user.gid);
  identity->group_sids = {wire::sids::kEveryone, wire::sids::kNetwork,
                          wire::sids::kAuthenticatedUsers, wire::sids::kUsers};
  for (const gid_t group : user.groups) identity->group_sids.push_back(ids.sid_of_gid(group));
  identity->is_admin = false;
  auto credentials = std::make_shared<UnixCredentials>(*who.credentials);
  credentials->uid = user.uid;
  credentials->gid = user.gid;
  credentials->groups = user.groups;
  return {std::move(identity), std::move(credentials)};
}

// Nobody, as a guest is one. What he makes is his, as for the kernel.
Principal as_guest(const Principal& who, const auth::IdMapper& ids) {
  auto identity = std::make_shared<auth::Identity>(*who.identity);
  identity->user_sid = ids.sid_of_uid(identity->uid);
  identity->primary_group_sid = ids.sid_of_gid(identity->gid);
  for (const gid_t group : identity->groups) {
    identity->group_sids.push_back(ids.sid_of_gid(group));
  }
  identity->group_sids.push_back(wire::sids::kGuests);
  return {std::move(identity), who.credentials};
}

}  // namespace

Principal TreeConnect::principal_of(Principal logged_on, const auth::IdMapper& ids) {
  const bool is_nobody = share->guest && logged_on.identity && logged_on.identity->is_anonymous;
  if (!share->forced_group && !share->forced_user && !is_nobody) return logged_on;
  if (!logged_on.credentials) return logged_on;
  auto known = in_group_.lock();
  if (known->of != logged_on.identity) {
    known->principal = is_nobody ? as_guest(logged_on, ids) : logged_on;
    if (share->forced_user) {
      known->principal = as_user(known->principal, *share->forced_user, ids);
    }
    if (const auto group = share->forced_group) {
      known->principal = with_primary_group(known->principal, *group, ids.sid_of_gid(*group));
    }
    known->of = std::move(logged_on.identity);
  }
  return known->principal;
}

}  // namespace braid::smb2
