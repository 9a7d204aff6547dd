#include "store/cluster/keeper_packet.h"

namespace braid::store::cluster {

Result<KeeperPacket> KeeperPacket::decode(wire::Reader& r) {
  KeeperPacket packet;
  if (r.u32() != kMagic) r.fail(Error::unsupported());
  packet.kind = r.as<Kind>();
  packet.is_serving = r.u8() != 0;
  packet.wants_answer = r.u8() != 0;
  packet.node = r.u32();
  packet.life = r.u64();
  packet.to_life = r.u64();
  packet.worker = {r.u32()};
  packet.known = {r.u32()};
  packet.process = r.u32();
  packet.asked_at = static_cast<int64_t>(r.u64());
  packet.key = decode_key(r);
  packet.turn = r.u64();
  packet.size = r.u64();
  packet.offset = r.u64();
  packet.piece = r.rest();
  r.expect(packet.kind < Kind::kCount && packet.node < kNodesMax && packet.life != 0 &&
           packet.piece.size() <= kPieceMax);
  // Of a node's own worker, if there is one.
  r.expect(packet.worker.value == 0 || packet.worker.index() == packet.node);
  r.expect(packet.size <= kRecordMax && packet.offset <= packet.size &&
           packet.piece.size() <= packet.size - packet.offset);
  return r.finish(packet);
}

void KeeperPacket::encode(wire::Writer& w) const {
  w.u32(kMagic);
  w.value(kind);
  w.u8(is_serving ? 1 : 0);
  w.u8(wants_answer ? 1 : 0);
  w.u32(node);
  w.u64(life);
  w.u64(to_life);
  w.u32(worker.value);
  w.u32(known.value);
  w.u32(process);
  w.u64(static_cast<uint64_t>(asked_at));
  encode_key(w, key);
  w.u64(turn);
  w.u64(size);
  w.u64(offset);
  w.bytes(piece);
}

}  // namespace braid::store::cluster
