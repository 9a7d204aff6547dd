#include "wire/smb2/transform_header.h"

namespace braid::wire {

Result<TransformHeader> TransformHeader::decode(Reader& r) {
  TransformHeader header;
  r.expect(r.u32() == ProtocolId::kTransform);
  header.signature = r.array<16>();
  header.nonce = r.array<16>();
  header.original_message_size = r.u32();
  r.skip(2);
  header.flags = r.u16();
  header.session_id = {r.u64()};
  return r.finish(header);
}

void TransformHeader::encode(Writer& w) const {
  w.u32(ProtocolId::kTransform);
  w.bytes(signature);
  w.bytes(nonce);
  w.u32(original_message_size);
  w.u16(0);
  w.u16(flags);
  w.u64(session_id.value);
}

}  // namespace braid::wire
