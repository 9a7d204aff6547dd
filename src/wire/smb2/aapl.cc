#include "wire/smb2/aapl.h"

#include "wire/utf16.h"

namespace braid::wire {

Result<AaplQuery> AaplQuery::decode(Reader& r) {
  AaplQuery query;
  query.command = r.u32();
  r.skip(4);
  query.asked = r.u64();
  query.client_caps = r.u64();
  return r.finish(query);
}

void AaplQuery::encode(Writer& w) const {
  w.u32(command);
  w.u32(0);
  w.u64(asked);
  w.u64(client_caps);
}

Result<AaplAnswer> AaplAnswer::decode(Reader& r) {
  AaplAnswer answer;
  r.expect(r.u32() == Aapl::kServerQuery);
  r.skip(4);
  answer.answered = r.u64();
  if (answer.answered & Aapl::kServerCaps) answer.server_caps = r.u64();
  if (answer.answered & Aapl::kVolumeCaps) answer.volume_caps = r.u64();
  if (answer.answered & Aapl::kModelInfo) {
    r.skip(4);
    const uint32_t size = r.u32();
    const ByteView name = r.bytes(size);
    if (r.ok()) {
      BRAID_TRY(answer.model, utf8_from_utf16le(name));
    }
  }
  return r.finish(answer);
}

void AaplAnswer::encode(Writer& w) const {
  w.u32(Aapl::kServerQuery);
  w.u32(0);
  w.u64(answered);
  if (answered & Aapl::kServerCaps) w.u64(server_caps);
  if (answered & Aapl::kVolumeCaps) w.u64(volume_caps);
  if (answered & Aapl::kModelInfo) {
    w.u32(0);
    w.u32(static_cast<uint32_t>(utf16le_size(model)));
    write_utf16le(w, model);
  }
}

}  // namespace braid::wire
