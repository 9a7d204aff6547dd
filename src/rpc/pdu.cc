#include "rpc/pdu.h"

#include <algorithm>

namespace braid::rpc {
namespace {

constexpr uint8_t kBigEndianAscii = 0x00;
constexpr uint8_t kIeeeFloats = 0x00;
// 6cb71c2c-9812-4540, the first half of the pretended syntax; the rest is the client's bitmask.
constexpr std::array<uint8_t, 8> kFeaturePrefix = {0x2c, 0x1c, 0xb7, 0x6c, 0x12, 0x98, 0x40, 0x45};

// Writes the header, lets `body` append, and fills in the length.
template <class Body>
Bytes pdu(PduType type, uint8_t flags, uint32_t call_id, Body body) {
  Bytes out;
  wire::Writer w(out);
  PduHeader header;
  header.type = type;
  header.flags = flags;
  header.call_id = call_id;
  header.encode(w);
  body(w);
  w.patch_u16(PduHeader::kFragLengthOffset, static_cast<uint16_t>(out.size()));
  return out;
}

}  // namespace

Result<PduHeader> PduHeader::decode(wire::Reader& r) {
  PduHeader header;
  const uint8_t version = r.u8();
  header.minor_version = r.u8();
  header.type = r.as<PduType>();
  header.flags = r.u8();
  const uint8_t integers = r.u8();
  const uint8_t floats = r.u8();
  r.skip(2);
  if (integers == kBigEndianAscii) header.order = wire::ByteOrder::kBig;
  DrepReader numbers(r, header.order);
  header.frag_length = numbers.u16();
  header.auth_length = numbers.u16();
  header.call_id = numbers.u32();
  r.skip(2 + 2 + 4);
  const bool is_order = integers == kBigEndianAscii || integers == kLittleEndianDrep;
  if (r.ok() && (version != kRpcVersion || header.minor_version > kRpcMinorVersionMax ||
                 !is_order || floats != kIeeeFloats)) {
    return fail(Error::unsupported());
  }
  const size_t verifier = header.auth_length == 0 ? 0 : header.auth_length + SecTrailer::kSize;
  r.expect(header.frag_length >= kSize + verifier);
  return r.finish(header);
}

void PduHeader::encode(wire::Writer& w) const {
  w.u8(kRpcVersion);
  w.u8(minor_version);
  w.value(type);
  w.u8(flags);
  w.u32(kLittleEndianDrep);
  w.u16(frag_length);
  w.u16(auth_length);
  w.u32(call_id);
}

SyntaxId SyntaxId::decode(DrepReader& r) {
  SyntaxId syntax;
  syntax.uuid = r.guid();
  syntax.version = r.u32();
  return syntax;
}

void SyntaxId::encode(wire::Writer& w) const {
  w.id128(uuid);
  w.u32(version);
}

SecTrailer SecTrailer::decode(DrepReader& r) {
  SecTrailer trailer;
  trailer.type = r.as<AuthType>();
  trailer.level = r.as<AuthLevel>();
  trailer.pad_length = r.u8();
  r.skip(1);
  trailer.context_id = r.u32();
  return trailer;
}

void SecTrailer::encode(wire::Writer& w) const {
  w.value(type);
  w.value(level);
  w.u8(pad_length);
  w.u8(0);
  w.u32(context_id);
}

bool is_feature_negotiation(const SyntaxId& syntax) {
  return std::equal(kFeaturePrefix.begin(), kFeaturePrefix.end(), syntax.uuid.bytes.begin()) &&
         syntax.version == 1;
}

uint8_t offered_features(const SyntaxId& syntax) {
  return syntax.uuid.bytes[kFeaturePrefix.size()];
}

Result<BindBody> BindBody::decode(DrepReader& r) {
  BindBody body;
  body.max_xmit_frag = r.u16();
  body.max_recv_frag = r.u16();
  body.assoc_group_id = r.u32();
  const uint8_t contexts = r.u8();
  r.skip(3);
  for (uint8_t i = 0; i < contexts && r.ok(); ++i) {
    PresentationContext context;
    context.id = r.u16();
    const uint8_t syntaxes = r.u8();
    r.skip(1);
    context.abstract_syntax = SyntaxId::decode(r);
    for (uint8_t j = 0; j < syntaxes && r.ok(); ++j) {
      context.transfer_syntaxes.push_back(SyntaxId::decode(r));
    }
    body.contexts.push_back(std::move(context));
  }
  return r.finish(std::move(body));
}

void BindAckBody::encode(wire::Writer& w) const {
  w.u16(max_xmit_frag);
  w.u16(max_recv_frag);
  w.u32(assoc_group_id);
  if (secondary_address.empty()) {
    w.u16(0);
  } else {
    w.u16(static_cast<uint16_t>(secondary_address.size() + 1));
    w.bytes(as_bytes(secondary_address));
    w.u8(0);
  }
  w.align(4);
  w.u8(static_cast<uint8_t>(answers.size()));
  w.zeros(3);
  for (const ContextAnswer& answer : answers) {
    w.value(answer.result);
    w.value(answer.reason);
    answer.transfer_syntax.encode(w);
  }
}

Result<RequestBody> RequestBody::decode(DrepReader& r, uint8_t flags) {
  RequestBody body;
  body.alloc_hint = r.u32();
  body.context_id = r.u16();
  body.opnum = r.u16();
  if (flags & pfc::kObjectUuid) r.skip(sizeof(Guid));
  return r.finish(body);
}

Bytes encode_bind_ack(PduType type, uint8_t extra_flags, uint32_t call_id,
                      const BindAckBody& body) {
  return pdu(type, pfc::kFirstFragment | pfc::kLastFragment | extra_flags, call_id,
             [&](wire::Writer& w) { body.encode(w); });
}

Bytes encode_bind_nak(uint32_t call_id, uint16_t reason) {
  return pdu(PduType::kBindNak, pfc::kFirstFragment | pfc::kLastFragment, call_id,
             [&](wire::Writer& w) {
               w.u16(reason);
               w.u8(1);  // versions we speak: one, 5.0
               w.u8(kRpcVersion);
               w.u8(0);
             });
}

Bytes encode_fault(uint32_t call_id, uint16_t context_id, uint32_t status, uint8_t extra_flags) {
  return pdu(PduType::kFault, pfc::kFirstFragment | pfc::kLastFragment | extra_flags, call_id,
             [&](wire::Writer& w) {
               w.u32(0);  // alloc_hint
               w.u16(context_id);
               w.zeros(2);  // cancel count, reserved
               w.u32(status);
               w.u32(0);
             });
}

Bytes encode_response(uint32_t call_id, uint16_t context_id, uint8_t flags, uint32_t alloc_hint,
                      ByteView stub) {
  return pdu(PduType::kResponse, flags, call_id, [&](wire::Writer& w) {
    w.u32(alloc_hint);
    w.u16(context_id);
    w.zeros(2);  // cancel count, reserved
    w.bytes(stub);
  });
}

size_t append_sec_trailer(Bytes& pdu, size_t body_offset, size_t alignment, SecTrailer trailer,
                          size_t verifier_size) {
  wire::Writer w(pdu, 0);
  const size_t over = (pdu.size() - body_offset) % alignment;
  trailer.pad_length = static_cast<uint8_t>(over == 0 ? 0 : alignment - over);
  w.zeros(trailer.pad_length);
  const size_t offset = pdu.size();
  trailer.encode(w);
  w.patch_u16(PduHeader::kFragLengthOffset, static_cast<uint16_t>(pdu.size() + verifier_size));
  w.patch_u16(PduHeader::kAuthLengthOffset, static_cast<uint16_t>(verifier_size));
  return offset;
}

}  // namespace braid::rpc
