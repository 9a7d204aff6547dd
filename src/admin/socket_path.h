// Socket names below an open folder.
#pragma once

#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <string>

namespace braid::admin {

// The address of `name` in the folder that `folder` is a descriptor of, so that a long state_dir
// does not meet the 108 bytes of sun_path. REQUIRES: `name` is one of ours, and short.
inline sockaddr_un socket_address(int folder, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", folder, name);
  std::copy_n(path.data(), std::min(path.size(), sizeof address.sun_path - 1), address.sun_path);
  return address;
}

}  // namespace braid::admin
