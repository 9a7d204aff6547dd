// The roots of the shares that the server has now.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace braid::vfs {

// One file can be reached through several shares: one share may lie below another, or two have one
// folder, also by a bind mount or a link. A large stream is kept in the private folder of the share
// that it was made through, and found from all of them: so it is looked for below the roots of all,
// where it is not below that of the share itself.
//
// Paths, and not what is at them: a share may be absent, and nothing is held of one that nobody
// uses. Thread: any.
struct RootPath;
using KnownRoot = std::shared_ptr<RootPath>;

// Those of a new configuration; the ones before are forgotten.
void set_known_roots(const std::vector<std::string>& paths);
std::vector<KnownRoot> known_roots();
// It was the right one: the next who asks tries it first.
void prefer_known_root(const KnownRoot& root);

// The root, if files of the file system `device` may be in that share: it is of the same file
// system, or above or below the root `own`. Else no disk is asked, which may be one that does not
// answer. ENOENT for others, and for `own` itself. ETIMEDOUT: the way to it does not answer, on
// which nobody waits longer than a second, and only the first who ask.
Result<UniqueFd> open_known_root(const KnownRoot& root, int own, dev_t device);

}  // namespace braid::vfs
