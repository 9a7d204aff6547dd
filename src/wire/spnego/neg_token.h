// SPNEGO tokens: negotiation of a security mechanism.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace braid::wire {

// An object identifier as the content octets of its DER form, without tag and length.
using Oid = Bytes;

namespace oids {
inline const Oid kSpnego = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x02};  // 1.3.6.1.5.5.2
inline const Oid kNtlmssp = {0x2b, 0x06, 0x01, 0x04, 0x01,        // 1.3.6.1.4.1.311.2.2.10
                             0x82, 0x37, 0x02, 0x02, 0x0a};
inline const Oid kKrb5 = {0x2a, 0x86, 0x48, 0x86, 0xf7,  // 1.2.840.113554.1.2.2
                          0x12, 0x01, 0x02, 0x02};
// 1.2.840.48018.1.2.2, Kerberos by the number an old Windows gave it: [MS-SPNG] 3.1.5.2.
inline const Oid kMsKrb5 = {0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 0x01, 0x02, 0x02};
}  // namespace oids

// More mechanisms than this in one list is no client: Windows sends four.
inline constexpr size_t kMechTypesMax = 16;
// Longest object identifier looked at; the longest in use has 10 octets.
inline constexpr size_t kOidSizeMax = 32;

// [RFC4178] 4.2.1 "negTokenInit", and [MS-SPNG] 2.2.1 "NegTokenInit2" of which the server's hint
// is made. The decoded form keeps copies, so it outlives the token.
struct NegTokenInit {
  std::vector<Oid> mech_types;           // never empty after decode
  Bytes mech_token;                      // empty: none given
  std::optional<std::string> hint_name;  // NegTokenInit2 only
  std::optional<Bytes> mech_list_mic;
  // The DER of the mech type list, tag and length included, as received: what mechListMIC covers.
  // Set by decode(); encode() does not look at it.
  Bytes mech_types_der;

  // Takes the whole initial token with its application tag and the SPNEGO identifier
  // ([RFC2743] 3.1). unsupported: a GSS token of another mechanism.
  static Result<NegTokenInit> decode(ByteView token);
  Bytes encode() const;
  // What encode() makes of mech_types, for the sender's mechListMIC.
  Bytes encode_mech_types() const;
};

enum class NegState : uint8_t {
  kAcceptCompleted = 0,
  kAcceptIncomplete = 1,
  kReject = 2,
  kRequestMic = 3,
};

// [RFC4178] 4.2.2 "negTokenResp".
struct NegTokenResp {
  std::optional<NegState> state;
  std::optional<Oid> supported_mech;
  std::optional<Bytes> response_token;
  std::optional<Bytes> mech_list_mic;

  static Result<NegTokenResp> decode(ByteView token);
  Bytes encode() const;
};

// What the first bytes of a token say it is; nothing behind them is checked.
enum class TokenKind : uint8_t {
  kSpnegoInit,
  kSpnegoResp,
  kRawNtlmssp,
  // Kerberos without SPNEGO around it: a GSS initial token, or as DCE style has it, with no frame
  // of GSS: [MS-KILE] 3.4.5.1 "Three-Leg DCE-Style Mutual Authentication".
  kRawKrb5,
  kUnknown,
};
TokenKind token_kind(ByteView token);

// The [RFC2743] 3.1 frame around a mechanism's first token.
Bytes wrap_gss_token(const Oid& mech, ByteView inner);
// What a GSS initial token of Kerberos holds, [RFC4121] 4.1; any other token as it is.
ByteView krb5_ap_req(ByteView token);

}  // namespace braid::wire
