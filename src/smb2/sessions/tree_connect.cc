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

}  // namespace

Principal TreeConnect::principal_of(Principal logged_on, const auth::IdMapper& ids) {
  if (!share->forced_group || !logged_on.credentials) return logged_on;
  auto known = in_group_.lock();
  if (known->of != logged_on.identity) {
    const gid_t group = *share->forced_group;
    known->principal = with_primary_group(logged_on, group, ids.sid_of_gid(group));
    known->of = std::move(logged_on.identity);
  }
  return known->principal;
}

}  // namespace braid::smb2
