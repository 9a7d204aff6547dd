#include "store/cluster/home.h"

namespace braid::store::cluster {

Result<Home> Home::decode(wire::Reader& r) {
  Home home;
  if (r.u8() != kVersion) r.fail(Error::unsupported());
  home.node = r.u32();
  home.life = r.u64();
  home.turn = r.u64();
  r.expect(home.node < kNodesMax && home.life != 0);
  return r.finish(home);
}

void Home::encode(wire::Writer& w) const {
  w.u8(kVersion);
  w.u32(node);
  w.u64(life);
  w.u64(turn);
}

Result<Member> Member::decode(wire::Reader& r) {
  Member member;
  if (r.u8() != kVersion) r.fail(Error::unsupported());
  member.life = r.u64();
  member.keeper = r.u32();
  member.worker = r.u32();
  member.term_ms = r.u32();
  member.is_over = r.u8() != 0;
  r.expect(member.life != 0 && member.term_ms <= kTermMaxMs);
  return r.finish(member);
}

void Member::encode(wire::Writer& w) const {
  w.u8(kVersion);
  w.u64(life);
  w.u32(keeper);
  w.u32(worker);
  w.u32(term_ms);
  w.u8(is_over ? 1 : 0);
}

// Shorter than any key of a home.
Bytes member_key(uint32_t node) {
  Bytes bytes;
  wire::Writer w(bytes);
  w.u32(node);
  return bytes;
}

RecordKey decode_key(wire::Reader& r) {
  RecordKey key;
  key.kind = r.as<RecordKind>();
  key.a = r.u64();
  key.b = r.u64();
  key.c = r.u64();
  r.expect(key.kind == RecordKind::kFile);
  return key;
}

void encode_key(wire::Writer& w, const RecordKey& key) {
  w.value(key.kind);
  w.u64(key.a);
  w.u64(key.b);
  w.u64(key.c);
}

Bytes home_key(const RecordKey& key) {
  Bytes bytes;
  wire::Writer w(bytes);
  encode_key(w, key);
  return bytes;
}

}  // namespace braid::store::cluster
