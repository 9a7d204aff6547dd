#include "wire/spnego/neg_token.h"

#include <algorithm>

#include "wire/spnego/der.h"

namespace braid::wire {
namespace {

Bytes copy(ByteView view) { return {view.begin(), view.end()}; }

void append(Bytes& out, const Bytes& more) { out.insert(out.end(), more.begin(), more.end()); }

Bytes octets_field(uint8_t number, ByteView value) {
  return der::element(der::context(number), {der::element(der::kOctetString, {value})});
}

Result<Bytes> octets(ByteView field) {
  BRAID_TRY(auto inner, der::unwrap(field, der::kOctetString));
  return copy(inner.content);
}

Result<Oid> oid(const der::Element& element) {
  if (element.tag != der::kOid || element.content.empty() || element.content.size() > kOidSizeMax) {
    return fail(Error::malformed());
  }
  return copy(element.content);
}

Result<void> decode_mech_types(ByteView field, NegTokenInit& init) {
  BRAID_TRY(auto list, der::unwrap(field, der::kSequence));
  init.mech_types_der = copy(list.whole);
  Reader r(list.content);
  while (r.ok() && r.remaining() > 0) {
    if (init.mech_types.size() == kMechTypesMax) return fail(Error::malformed());
    const der::Element element = der::read(r);
    if (!r.ok()) break;
    BRAID_TRY(auto mech, oid(element));
    init.mech_types.push_back(std::move(mech));
  }
  if (!r.ok()) return fail(r.error());
  if (init.mech_types.empty()) return fail(Error::malformed());
  return {};
}

// Field 3 is the mechListMIC of RFC 4178 or the negHints of [MS-SPNG] 2.2.1; what is in it tells.
Result<void> decode_hints_or_mic(ByteView field, NegTokenInit& init) {
  Reader r(field);
  const der::Element element = der::read(r);
  if (!r.ok()) return fail(r.error());
  if (element.tag == der::kOctetString) {
    init.mech_list_mic = copy(element.content);
    return {};
  }
  if (element.tag != der::kSequence) return fail(Error::malformed());
  Reader hints(element.content);
  while (hints.ok() && hints.remaining() > 0) {
    const der::Element hint = der::read(hints);
    if (!hints.ok()) return fail(hints.error());
    if (hint.tag == der::context(0)) {
      BRAID_TRY(auto name, der::unwrap(hint.content, der::kGeneralString));
      init.hint_name = std::string(as_text(name.content));
    }
  }
  return {};
}

// Calls `field` with number and content of each explicitly tagged field, which must come in
// ascending order.
template <class F>
Result<void> each_field(ByteView sequence, F&& field) {
  Reader r(sequence);
  int last = -1;
  while (r.ok() && r.remaining() > 0) {
    const der::Element element = der::read(r);
    if (!r.ok()) break;
    const int number = element.tag & 0x1f;
    if ((element.tag & 0xe0) != 0xa0 || number <= last) return fail(Error::malformed());
    last = number;
    BRAID_CHECK(field(number, element.content));
  }
  if (!r.ok()) return fail(r.error());
  return {};
}

}  // namespace

Result<NegTokenInit> NegTokenInit::decode(ByteView token) {
  Reader r(token);
  const der::Element frame = der::read(r, der::kApplication0);
  if (!r.ok()) return fail(r.error());
  Reader inner(frame.content);
  const der::Element mech = der::read(inner, der::kOid);
  if (!inner.ok()) return fail(inner.error());
  if (!std::ranges::equal(mech.content, oids::kSpnego)) return fail(Error::unsupported());
  const der::Element choice = der::read(inner, der::context(0));
  if (!inner.ok()) return fail(inner.error());
  BRAID_TRY(auto sequence, der::unwrap(choice.content, der::kSequence));

  NegTokenInit init;
  BRAID_CHECK(each_field(sequence.content, [&](int number, ByteView field) -> Result<void> {
    switch (number) {
      case 0:
        return decode_mech_types(field, init);
      case 2: {
        BRAID_TRY(init.mech_token, octets(field));
        return {};
      }
      case 3:
        return decode_hints_or_mic(field, init);
      case 4: {
        BRAID_TRY(auto mic, octets(field));
        init.mech_list_mic = std::move(mic);
        return {};
      }
      default:
        return {};  // reqFlags, to be ignored: [MS-SPNG] 3.1.5.3; and extensions
    }
  }));
  if (init.mech_types.empty()) return fail(Error::malformed());
  return init;
}

Bytes NegTokenInit::encode_mech_types() const {
  Bytes list;
  for (const Oid& mech : mech_types) append(list, der::element(der::kOid, {mech}));
  return der::element(der::kSequence, {list});
}

Bytes NegTokenInit::encode() const {
  Bytes fields = der::element(der::context(0), {encode_mech_types()});
  if (!mech_token.empty()) append(fields, octets_field(2, mech_token));
  if (hint_name) {
    const Bytes name = der::element(der::kGeneralString, {as_bytes(*hint_name)});
    const Bytes hints = der::element(der::kSequence, {der::element(der::context(0), {name})});
    append(fields, der::element(der::context(3), {hints}));
  }
  if (mech_list_mic) append(fields, octets_field(hint_name ? 4 : 3, *mech_list_mic));
  return wrap_gss_token(oids::kSpnego,
                        der::element(der::context(0), {der::element(der::kSequence, {fields})}));
}

Result<NegTokenResp> NegTokenResp::decode(ByteView token) {
  Reader r(token);
  const der::Element choice = der::read(r, der::context(1));
  if (!r.ok()) return fail(r.error());
  BRAID_TRY(auto sequence, der::unwrap(choice.content, der::kSequence));

  NegTokenResp resp;
  BRAID_CHECK(each_field(sequence.content, [&](int number, ByteView field) -> Result<void> {
    switch (number) {
      case 0: {
        BRAID_TRY(auto value, der::unwrap(field, der::kEnumerated));
        if (value.content.size() != 1 || value.content[0] > 3) return fail(Error::malformed());
        resp.state = static_cast<NegState>(value.content[0]);
        return {};
      }
      case 1: {
        BRAID_TRY(auto value, der::unwrap(field, der::kOid));
        BRAID_TRY(resp.supported_mech, oid(value));
        return {};
      }
      case 2: {
        BRAID_TRY(resp.response_token, octets(field));
        return {};
      }
      case 3: {
        BRAID_TRY(resp.mech_list_mic, octets(field));
        return {};
      }
      default:
        return {};
    }
  }));
  return resp;
}

Bytes NegTokenResp::encode() const {
  Bytes fields;
  if (state) {
    const uint8_t value[] = {static_cast<uint8_t>(*state)};
    append(fields, der::element(der::context(0), {der::element(der::kEnumerated, {value})}));
  }
  if (supported_mech) {
    append(fields, der::element(der::context(1), {der::element(der::kOid, {*supported_mech})}));
  }
  if (response_token) append(fields, octets_field(2, *response_token));
  if (mech_list_mic) append(fields, octets_field(3, *mech_list_mic));
  return der::element(der::context(1), {der::element(der::kSequence, {fields})});
}

TokenKind token_kind(ByteView token) {
  constexpr std::string_view kNtlmssp("NTLMSSP\0", 8);
  if (token.size() >= kNtlmssp.size() && as_text(token.first(kNtlmssp.size())) == kNtlmssp) {
    return TokenKind::kRawNtlmssp;
  }
  Reader r(token);
  const der::Element frame = der::read(r);
  if (!r.ok()) return TokenKind::kUnknown;
  if (frame.tag == der::context(1)) return TokenKind::kSpnegoResp;
  if (frame.tag == der::kKrbApReq) return TokenKind::kRawKrb5;
  if (frame.tag != der::kApplication0) return TokenKind::kUnknown;
  Reader inner(frame.content);
  const der::Element mech = der::read(inner, der::kOid);
  if (!inner.ok()) return TokenKind::kUnknown;
  if (std::ranges::equal(mech.content, oids::kSpnego)) return TokenKind::kSpnegoInit;
  if (std::ranges::equal(mech.content, oids::kKrb5)) return TokenKind::kRawKrb5;
  return TokenKind::kUnknown;
}

Bytes wrap_gss_token(const Oid& mech, ByteView inner) {
  return der::element(der::kApplication0, {der::element(der::kOid, {mech}), inner});
}

ByteView krb5_ap_req(ByteView token) {
  constexpr std::array<uint8_t, 2> kApReqId = {0x01, 0x00};
  Reader r(token);
  const der::Element frame = der::read(r);
  if (!r.ok() || r.remaining() != 0 || frame.tag != der::kApplication0) return token;
  Reader inner(frame.content);
  const der::Element mech = der::read(inner, der::kOid);
  if (!inner.ok() || !std::ranges::equal(mech.content, oids::kKrb5)) return token;
  const ByteView id = inner.bytes(kApReqId.size());
  return std::ranges::equal(id, kApReqId) ? inner.rest() : token;
}

}  // namespace braid::wire
