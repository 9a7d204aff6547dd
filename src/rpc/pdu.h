// Protocol data units of connection-oriented DCE/RPC.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "rpc/drep_reader.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::rpc {

// What is spoken: 5.0 and 5.1, which are the same to who sends no more than 5.0 has.
inline constexpr uint8_t kRpcVersion = 5;
inline constexpr uint8_t kRpcMinorVersionMax = 1;

// [C706] 12.6.1 "Common Fields", PTYPE.
enum class PduType : uint8_t {
  kRequest = 0,
  kResponse = 2,
  kFault = 3,
  kBind = 11,
  kBindAck = 12,
  kBindNak = 13,
  kAlterContext = 14,
  kAlterContextResponse = 15,
  kAuth3 = 16,
  kCoCancel = 18,
  kOrphaned = 19,
};

namespace pfc {
inline constexpr uint8_t kFirstFragment = 0x01;
inline constexpr uint8_t kLastFragment = 0x02;
inline constexpr uint8_t kSupportHeaderSign = 0x04;  // [MS-RPCE] 2.2.2.3, of binds
inline constexpr uint8_t kConcurrentMultiplexing = 0x10;
inline constexpr uint8_t kDidNotExecute = 0x20;
inline constexpr uint8_t kObjectUuid = 0x80;
}  // namespace pfc

// Integers little-endian, characters ASCII, floats IEEE: [C706] 14.1. What we write.
inline constexpr uint32_t kLittleEndianDrep = 0x10;

// [MS-RPCE] 2.2.1.1.7 "Security Providers", as far as we have them.
enum class AuthType : uint8_t {
  kNone = 0,
  kNegotiate = 9,
  kNtlm = 10,
  kKerberos = 16,
};
// [MS-RPCE] 2.2.1.1.8 "Authentication Levels".
enum class AuthLevel : uint8_t {
  kDefault = 0,
  kNone = 1,
  kConnect = 2,
  kCall = 3,
  kPacket = 4,
  kIntegrity = 5,
  kPrivacy = 6,
};

// [MS-RPCE] 2.2.2.11 "sec_trailer Structure", in front of a verifier.
struct SecTrailer {
  static constexpr size_t kSize = 8;

  AuthType type = AuthType::kNone;
  AuthLevel level = AuthLevel::kNone;
  uint8_t pad_length = 0;  // padding at the end of the body
  uint32_t context_id = 0;
  constexpr bool operator==(const SecTrailer&) const = default;

  static SecTrailer decode(DrepReader& r);
  void encode(wire::Writer& w) const;
};

// [C706] 12.6.3.1 "Common Header Fields".
struct PduHeader {
  static constexpr size_t kSize = 16;
  static constexpr size_t kFragLengthOffset = 8;
  static constexpr size_t kAuthLengthOffset = 10;

  wire::ByteOrder order = wire::ByteOrder::kLittle;
  uint8_t minor_version = 0;
  PduType type = PduType::kRequest;
  uint8_t flags = pfc::kFirstFragment | pfc::kLastFragment;
  uint16_t frag_length = 0;
  uint16_t auth_length = 0;
  uint32_t call_id = 0;

  // Unsupported for a version other than 5.0 and 5.1 and for characters and floats that are not
  // ASCII and IEEE; malformed for a frag_length that its own header and verifier do not fit in.
  static Result<PduHeader> decode(wire::Reader& r);
  // Where body and padding end. REQUIRES: decode() took it.
  size_t body_end() const {
    return auth_length == 0 ? frag_length : frag_length - auth_length - SecTrailer::kSize;
  }
  void encode(wire::Writer& w) const;
};

// Interface or transfer syntax: [C706] 12.6.3.1, p_syntax_id_t.
struct SyntaxId {
  static constexpr size_t kSize = 20;

  Guid uuid;
  uint32_t version = 0;  // major in the low 16 bits
  constexpr auto operator<=>(const SyntaxId&) const = default;

  static SyntaxId decode(DrepReader& r);
  void encode(wire::Writer& w) const;
};

// 8a885d04-1ceb-11c9-9fe8-08002b104860 version 2.
inline constexpr SyntaxId kNdrSyntax{{{0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8,
                                       0x08, 0x00, 0x2b, 0x10, 0x48, 0x60}},
                                     2};
// [MS-RPCE] 3.3.1.5.3 "Bind Time Feature Negotiation": such a transfer syntax is no syntax, but
// says what the client supports: [MS-RPCE] 2.2.2.14 "BindTimeFeatureNegotiationBitmask".
bool is_feature_negotiation(const SyntaxId& syntax);
uint8_t offered_features(const SyntaxId& syntax);
namespace features {
inline constexpr uint8_t kSecurityContextMultiplexing = 0x01;
inline constexpr uint8_t kKeepConnectionOnOrphan = 0x02;
}  // namespace features

struct PresentationContext {
  uint16_t id = 0;
  SyntaxId abstract_syntax;
  std::vector<SyntaxId> transfer_syntaxes;
};

// [C706] 12.6.4.3 "The bind PDU" and 12.6.4.1 "The alter_context PDU".
struct BindBody {
  uint16_t max_xmit_frag = 0;
  uint16_t max_recv_frag = 0;
  uint32_t assoc_group_id = 0;
  std::vector<PresentationContext> contexts;

  static Result<BindBody> decode(DrepReader& r);
};

enum class ContextResult : uint16_t {
  kAcceptance = 0,
  kUserRejection = 1,
  kProviderRejection = 2,
  kNegotiateAck = 3,
};
enum class RejectReason : uint16_t {
  kNone = 0,
  kAbstractSyntaxNotSupported = 1,
  kTransferSyntaxesNotSupported = 2,
  kLocalLimitExceeded = 3,
};

struct ContextAnswer {
  ContextResult result = ContextResult::kAcceptance;
  RejectReason reason = RejectReason::kNone;
  SyntaxId transfer_syntax;
};

// [C706] 12.6.4.4 "The bind_ack PDU" and 12.6.4.2.
struct BindAckBody {
  uint16_t max_xmit_frag = 0;
  uint16_t max_recv_frag = 0;
  uint32_t assoc_group_id = 0;
  std::string secondary_address;  // empty in an alter_context_resp
  std::vector<ContextAnswer> answers;

  void encode(wire::Writer& w) const;
};

// [C706] 12.6.4.9 "The request PDU", before the stub data.
struct RequestBody {
  uint32_t alloc_hint = 0;
  uint16_t context_id = 0;
  uint16_t opnum = 0;

  static Result<RequestBody> decode(DrepReader& r, uint8_t flags);
};

// Whole PDUs.
Bytes encode_bind_ack(PduType type, uint8_t extra_flags, uint32_t call_id, const BindAckBody& body);
// `reason`: 8 is "authentication type not recognized", 9 "invalid checksum", which an error of a
// security provider is, 4 "protocol version not supported", 2 "local limit exceeded", 0 none:
// [MS-RPCE] 2.2.2.5.
Bytes encode_bind_nak(uint32_t call_id, uint16_t reason);
Bytes encode_fault(uint32_t call_id, uint16_t context_id, uint32_t status, uint8_t extra_flags);
// One fragment of a response, with `alloc_hint` bytes of stub data from here on.
Bytes encode_response(uint32_t call_id, uint16_t context_id, uint8_t flags, uint32_t alloc_hint,
                      ByteView stub);
inline constexpr size_t kResponseOverhead = 24;

// Puts padding, which makes the body a multiple of `alignment` behind `body_offset`, and `trailer`
// behind a PDU, whose verifier is still to come. Where the trailer is.
size_t append_sec_trailer(Bytes& pdu, size_t body_offset, size_t alignment, SecTrailer trailer,
                          size_t verifier_size);

}  // namespace braid::rpc
