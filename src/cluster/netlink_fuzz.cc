// Datagrams of rtnetlink.
#include <cstdlib>

#include "cluster/network_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  braid::cluster::NetworkState state;
  const braid::ByteView datagram(data, size);
  if (!braid::cluster::apply_netlink(datagram, 7, state)) return 0;
  // Hearing the same again changes nothing, except where the datagram takes back what it said.
  braid::cluster::NetworkState again = state;
  if (!braid::cluster::apply_netlink(datagram, 7, again)) std::abort();
  if (again.links != state.links) std::abort();
  return 0;
}
