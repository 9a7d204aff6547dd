// Whether the folder and the group of a share can be had, for those who must not wait for a disk or
// a name service.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/unix_user.h"
#include "base/result.h"
#include "config/config.h"

namespace braid::smb2 {

inline constexpr std::string_view kOutOfReach =
    "this process was started without the right to reach it; restart braidd";

// Whether this process may not reach the directory `folder` (O_PATH will do) although its user may:
// Landlock lets O_PATH through and nothing else. Rules cannot be widened while a process runs.
bool is_out_of_reach(int folder);

// Of force_user and force_group.
struct ForcedOwner {
  std::optional<auth::UnixUser> user;
  std::optional<gid_t> group;
};
// Those of `share`, as far as it has them. STATUS_NO_SUCH_USER and STATUS_NO_SUCH_GROUP when there
// is none by that name, STATUS_PRIVILEGE_NOT_HELD when this process cannot act as it or the user is
// root. May wait for a name service.
Result<ForcedOwner> forced_owner(const config::Share& share);
// What to tell of `error`, which opening the folder of `share` or forced_owner() ended with.
std::string why_absent(const config::Share& share, const Error& error);

// Begins to look at the folder and the group of `share` on a thread of its own, unless one does
// already: what does not answer keeps one thread, however often it is asked for. Never blocks.
// Thread: any that acts as the server.
void begin_look(const config::Share& share);
// Why a client could not connect to `share`; empty when it could. Waits until kAskTime after
// begin_look(), which it calls if need be; then it "does not answer".
std::string absence_of(const config::Share& share);

// Of the file system that the folder of a share is on; "free" is what users may still write.
struct ShareSpace {
  uint64_t size_bytes = 0;
  uint64_t free_bytes = 0;
};
// Nothing of a share that is absent. Waits as absence_of().
std::optional<ShareSpace> space_of(const config::Share& share);

}  // namespace braid::smb2
