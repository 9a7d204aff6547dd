// Datagrams of rtnetlink.
#include <cstdlib>

#include "network/network_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  braid::network::NetworkState state;
  const braid::ByteView datagram(data, size);
  if (!braid::network::apply_netlink(datagram, 7, state)) return 0;
  // Hearing the same again changes nothing, except where the datagram takes back what it said.
  braid::network::NetworkState again = state;
  if (!braid::network::apply_netlink(datagram, 7, again)) std::abort();
  if (again.links != state.links) std::abort();
  return 0;
}
