// What another node's keeper sends, and the records in it, as anybody in the cluster's network may
// make them.
#include <algorithm>
#include <cstdlib>

#include "store/cluster/keeper_packet.h"
#include "store/cluster/record_image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  using namespace braid::store;
  using namespace braid::store::cluster;
  const ByteView bytes(data, size);
  wire::Reader of_image(bytes);
  if (const auto image = RecordImage::decode(of_image)) {
    uint32_t next = 0;
    for (const PartChange& part : image->parts) {
      if (part.part < next || part.part >= kPartsMax || part.value.empty()) std::abort();
      next = part.part + 1;
    }
  }
  wire::Reader of_home(bytes);
  if (const auto home = Home::decode(of_home)) {
    Bytes again;
    wire::Writer w(again);
    home->encode(w);
    wire::Reader second(again);
    if (Home::decode(second) != *home) std::abort();
  }
  wire::Reader of_member(bytes);
  if (const auto member = Member::decode(of_member)) {
    Bytes again;
    wire::Writer w(again);
    member->encode(w);
    wire::Reader second(again);
    if (Member::decode(second) != *member) std::abort();
  }
  wire::Reader r(bytes);
  const auto packet = KeeperPacket::decode(r);
  if (!packet) return 0;
  Bytes once;
  wire::Writer w(once);
  packet->encode(w);
  wire::Reader second(once);
  const auto again = KeeperPacket::decode(second);
  if (!again || again->key != packet->key || again->turn != packet->turn ||
      !std::ranges::equal(again->piece, packet->piece)) {
    std::abort();
  }
  return 0;
}
