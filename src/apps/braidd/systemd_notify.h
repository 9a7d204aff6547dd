// sd_notify(3)'s protocol, which is one datagram.
#pragma once

#include <string_view>

namespace braid::braidd {

// Sends `state` ("READY=1") to the service manager that $NOTIFY_SOCKET names; does nothing without.
void notify_systemd(std::string_view state);

}  // namespace braid::braidd
