#include "wire/smb2/smb1_negotiate.h"

#include <algorithm>

#include "wire/smb2/header.h"
#include "wire/smb2/variable_part.h"

namespace braid::wire {
namespace {

constexpr uint8_t kComNegotiate = 0x72;
constexpr uint8_t kDialectBuffer = 0x02;  // what precedes each name

}  // namespace

bool Smb1NegotiateRequest::offers(std::string_view dialect) const {
  return std::ranges::find(dialects, dialect) != dialects.end();
}

Result<Smb1NegotiateRequest> Smb1NegotiateRequest::decode(Reader& r) {
  Smb1NegotiateRequest request;
  r.expect(r.u32() == ProtocolId::kSmb1);
  r.expect(r.u8() == kComNegotiate);
  r.skip(4 + 1);  // Status, Flags
  request.flags2 = r.u16();
  r.skip(2 + 8 + 2 + 2);  // PIDHigh, SecurityFeatures, Reserved, TID
  request.process_id = r.u16();
  r.skip(2);  // UID
  request.multiplex_id = r.u16();
  r.expect(r.u8() == 0);  // WordCount
  Reader names(r.bytes(r.u16()));
  while (names.remaining() > 0) {
    r.expect(names.u8() == kDialectBuffer && request.dialects.size() < kDialectsMax);
    std::string_view rest = as_text(names.whole()).substr(names.position());
    const size_t length = rest.find('\0');
    r.expect(length != std::string_view::npos);
    if (!r.ok()) break;
    request.dialects.emplace_back(rest.substr(0, length));
    names.skip(length + 1);
  }
  return r.finish(std::move(request));
}

void Smb1NegotiateRequest::encode(Writer& w) const {
  w.u32(ProtocolId::kSmb1);
  w.u8(kComNegotiate);
  w.zeros(4 + 1);
  w.u16(flags2);
  w.zeros(2 + 8 + 2 + 2);
  w.u16(process_id);
  w.u16(0);
  w.u16(multiplex_id);
  w.u8(0);
  const size_t byte_count_at = w.position();
  w.u16(0);
  for (const std::string& dialect : dialects) {
    w.u8(kDialectBuffer);
    w.bytes(as_bytes(dialect));
    w.u8(0);
  }
  w.patch_u16(byte_count_at, narrow_u16(w.position() - byte_count_at - 2));
}

}  // namespace braid::wire
