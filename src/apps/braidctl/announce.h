// braidctl announce: the server is found by WS-Discovery, which Windows shows in Network, and by
// DNS-SD over Multicast DNS, which Macs and Linux show.
#pragma once

#include "config/config.h"

namespace braid::braidctl {

struct AnnounceArguments {
  bool json = false;
};

// Until SIGTERM, when it says good-bye. Obeys the file of `config` as it is then: it is read again
// when it has changed, or by SIGHUP. 2 after a line on stderr.
int announce(const config::Config& config, const AnnounceArguments& arguments);

}  // namespace braid::braidctl
