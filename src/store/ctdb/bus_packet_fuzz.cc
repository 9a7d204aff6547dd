// A message of a worker's bus, as anybody in the cluster's network may make one.
#include <algorithm>
#include <cstdlib>

#include "store/ctdb/bus_packet.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  using namespace braid::store::ctdb;
  wire::Reader r(ByteView(data, size));
  const auto packet = BusPacket::decode(r);
  if (!packet) return 0;
  Bytes bytes;
  wire::Writer w(bytes);
  packet->encode(w);
  wire::Reader second(bytes);
  const auto again = BusPacket::decode(second);
  if (!again || !std::ranges::equal(again->payload, packet->payload)) std::abort();
  if (again->position != packet->position || again->missed != packet->missed) std::abort();
  return 0;
}
