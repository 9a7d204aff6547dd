#include "store/ctdb/bus_packet.h"

namespace braid::store::ctdb {
Result<BusPacket> BusPacket::decode(wire::Reader& r) {
  BusPacket packet;
  if (r.u32() != kMagic) r.fail(Error::unsupported());
  packet.from = {r.u32()};
  packet.to = {r.u32()};
  packet.kind = r.as<Kind>();
  packet.lane = r.as<Lane>();
  packet.topic = r.as<Topic>();
  packet.is_fd_lost = r.u8() != 0;
  packet.missed = r.u32();
  r.skip(4);
  packet.position = r.u64();
  packet.payload = r.rest();
  r.expect(packet.from.value != 0 && packet.kind < Kind::kCount && packet.lane < Lane::kCount &&
           packet.topic < Topic::kCount && packet.missed >> kTopics == 0 &&
           packet.payload.size() <= MessageBus::kPayloadMax);
  if (packet.kind == Kind::kMessage) r.expect(lane_of(packet.topic) == packet.lane);
  return r.finish(packet);
}

void BusPacket::encode(wire::Writer& w) const {
  w.u32(kMagic);
  w.u32(from.value);
  w.u32(to.value);
  w.value(kind);
  w.value(lane);
  w.value(topic);
  w.u8(is_fd_lost ? 1 : 0);
  w.u32(missed);
  w.u32(0);
  w.u64(position);
  w.bytes(payload);
}

}  // namespace braid::store::ctdb
