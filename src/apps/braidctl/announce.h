// braidctl announce: the server is found by WS-Discovery, which Windows shows in Network.
#pragma once

#include "config/config.h"

namespace braid::braidctl {

struct AnnounceArguments {
  bool json = false;
};

// Until SIGTERM, when it says good-bye; at once, with 0, where nothing is served on port 445. 2
// after a line on stderr.
int announce(const config::Config& config, const AnnounceArguments& arguments);

}  // namespace braid::braidctl
