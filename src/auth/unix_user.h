// Look-ups in the system's user database.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace braid::auth {

struct UnixUser {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // gid among them
};

// Where the users of people begin on every Linux of today (UID_MIN of login.defs). Below are the
// system's own, root among them.
inline constexpr uid_t kMinUid = 1000;
// "nobody": whose files show as owned by nobody here, those of other machines and name spaces.
inline constexpr uid_t kNobodyUid = 65'534;
// Whether requests may act as `uid`: root and "no user" never, whatever the floor is.
constexpr bool may_act_as(uid_t uid, uid_t min_uid) {
  return uid != 0 && uid >= min_uid && uid != static_cast<uid_t>(-1);
}

// STATUS_NO_SUCH_USER when there is none. These may wait for a name service. Thread: any.
Result<UnixUser> find_unix_user(const std::string& name);
// The user this process runs as, with its present groups. Used for every logon when the process
// cannot change to another user.
UnixUser own_unix_user();
// Whether requests can act as other users: effective uid 0.
bool can_act_as_others();

// None when the id has no name.
std::optional<std::string> user_name_of(uid_t uid);
std::optional<std::string> group_name_of(gid_t gid);
std::optional<gid_t> find_unix_group(const std::string& name);

struct UnixGroup {
  std::string name;
  gid_t gid = 0;
  std::vector<std::string> members;  // those whose primary group it is need not be among them
};
// Those that the name service lists, at most `max`: a large one may list none. One caller at a
// time; the others wait.
std::vector<UnixGroup> list_unix_groups(size_t max);

}  // namespace braid::auth
