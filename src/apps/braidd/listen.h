// Opening the sockets that clients connect to.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "apps/braidd/service.h"
#include "base/unique_fd.h"
#include "config/config.h"

namespace braid::braidd {

struct Listener {
  UniqueFd socket;      // listening, non-blocking, closed on exec
  std::string address;  // "127.0.0.1:4450", with the port the kernel chose if 0 was asked for
  std::string host;     // without the port
  Service service = Service::kSmb;
  uint16_t port = 0;
  std::string wanted{};  // "127.0.0.1:0", as the configuration asks for it
  // Not opened: it is this one of those that the running server has.
  std::optional<size_t> running{};
};

// All endpoints, or one line that says which could not be opened and what to do. An IPv6 endpoint
// is left out, with a warning, on a machine without IPv6, as long as another one is there.
std::expected<std::vector<Listener>, std::string> open_listeners(
    const std::vector<config::Endpoint>& endpoints);

// All that a configuration asks for, SMB's first. Those of Witness are of one port each, on every
// address that SMB is listened to on.
// What is among `running`, those of a server whose place is to be taken, is not opened.
std::expected<std::vector<Listener>, std::string> open_all_listeners(
    const config::Server& server, const std::vector<Listener>& running = {});
// Of those of a service; 0: there are none.
uint16_t port_of(const std::vector<Listener>& listeners, Service service);

}  // namespace braid::braidd
