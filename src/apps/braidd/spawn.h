// Starting this program again as another of its processes.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace braid::braidd {

// The first descriptor a child is given; those after it follow in order.
inline constexpr int kFirstGivenFd = 3;

// Forks and runs /proc/self/exe, which is this very build even after an upgrade replaced the file;
// or `program`, a descriptor of another. The child has `fds` as 3, 4, ... and no signals blocked.
// REQUIRES: one thread.
Result<pid_t> spawn(const std::vector<std::string>& arguments, const std::vector<int>& fds,
                    int program = -1);

// Runs `program` in place of this one, with the same process id and children; of the descriptors it
// has `fds`, under the numbers they have. Returns if that cannot be. REQUIRES: one thread.
Error become(int program, const std::vector<std::string>& arguments, const std::vector<int>& fds);

}  // namespace braid::braidd
