// Opening the sockets that clients connect to.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "config/config.h"

namespace braid::braidd {

struct Listener {
  UniqueFd socket;      // listening, non-blocking, closed on exec
  std::string address;  // "127.0.0.1:4450", with the port the kernel chose if 0 was asked for
};

// All endpoints, or one line that says which could not be opened and what to do. An IPv6 endpoint
// is left out, with a warning, on a machine without IPv6, as long as another one is there.
std::expected<std::vector<Listener>, std::string> open_listeners(
    const std::vector<config::Endpoint>& endpoints);

}  // namespace braid::braidd
