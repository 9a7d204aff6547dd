// braidctl interfaces: the addresses of this machine, and which of them a client is told of.
#pragma once

#include <string>

#include "config/config.h"

namespace braid::braidctl {

struct InterfacesArguments {
  std::string client;        // an address; empty: what holds for every client
  std::string connected_to;  // an address of this machine; empty: not known
  bool json = false;
};

// Judges by the configuration and the kernel, as the server does when a client asks it; the server
// need not run. The exit code.
int show_interfaces(const config::Server& settings, const InterfacesArguments& arguments);

}  // namespace braid::braidctl
