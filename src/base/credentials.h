// Whose rights on the file system something is done with.
#pragma once

#include <sys/types.h>

#include <memory>
#include <vector>

namespace braid {

// What the kernel checks file access against. Shared and never changed once made: a session makes
// one at logon (and another when reauthentication changes its groups).
struct UnixCredentials {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary; no more than the kernel takes

  friend bool operator==(const UnixCredentials&, const UnixCredentials&) = default;
};
using Credentials = std::shared_ptr<const UnixCredentials>;

}  // namespace braid
