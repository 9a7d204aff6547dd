// The three NTLM messages. [MS-NLMP] 2.2.1 "NTLM Messages".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/ntlm/av_pairs.h"

namespace braid::wire::ntlm {

// [MS-NLMP] 2.2.2.5 "NEGOTIATE".
namespace flags {
inline constexpr uint32_t kUnicode = 0x00000001;
inline constexpr uint32_t kOem = 0x00000002;
inline constexpr uint32_t kRequestTarget = 0x00000004;
inline constexpr uint32_t kSign = 0x00000010;
inline constexpr uint32_t kSeal = 0x00000020;
inline constexpr uint32_t kDatagram = 0x00000040;
inline constexpr uint32_t kLmKey = 0x00000080;
inline constexpr uint32_t kNtlm = 0x00000200;
inline constexpr uint32_t kAnonymous = 0x00000800;
inline constexpr uint32_t kOemDomainSupplied = 0x00001000;
inline constexpr uint32_t kOemWorkstationSupplied = 0x00002000;
inline constexpr uint32_t kAlwaysSign = 0x00008000;
inline constexpr uint32_t kTargetTypeDomain = 0x00010000;
inline constexpr uint32_t kTargetTypeServer = 0x00020000;
inline constexpr uint32_t kExtendedSessionSecurity = 0x00080000;
inline constexpr uint32_t kTargetInfo = 0x00800000;
inline constexpr uint32_t kVersion = 0x02000000;
inline constexpr uint32_t k128 = 0x20000000;
inline constexpr uint32_t kKeyExchange = 0x40000000;
inline constexpr uint32_t k56 = 0x80000000;
}  // namespace flags

using Challenge8 = std::array<uint8_t, 8>;

// [MS-NLMP] 2.2.2.10 "VERSION". For show only.
struct Version {
  uint8_t major = 6;
  uint8_t minor = 1;
  uint16_t build = 7600;
  uint8_t ntlm_revision = 15;  // NTLMSSP_REVISION_W2K3, the only one in use

  bool operator==(const Version&) const = default;
};

// [MS-NLMP] 2.2.1.1 "NEGOTIATE_MESSAGE". Accepted in three lengths: with VERSION (40 bytes),
// without it (32), and of signature, type and flags only (16), all of which clients send.
struct NegotiateMessage {
  uint32_t negotiate_flags = 0;
  std::string domain_name;  // OEM characters, as received
  std::string workstation;
  std::optional<Version> version;

  static Result<NegotiateMessage> decode(ByteView message);
  Bytes encode() const;
};

// [MS-NLMP] 2.2.1.2 "CHALLENGE_MESSAGE". Unicode only.
struct ChallengeMessage {
  std::string target_name;  // UTF-8
  uint32_t negotiate_flags = 0;
  Challenge8 server_challenge{};
  AvPairs target_info;
  std::optional<Version> version;

  static Result<ChallengeMessage> decode(ByteView message);
  Bytes encode() const;
};

// [MS-NLMP] 2.2.1.3 "AUTHENTICATE_MESSAGE".
struct AuthenticateMessage {
  Bytes lm_response;
  Bytes nt_response;
  // UTF-8. The UTF-16 as received goes into NTOWFv2, after upper-casing for the user name.
  std::string domain_name;
  std::string user_name;
  std::string workstation;
  Bytes encrypted_random_session_key;
  uint32_t negotiate_flags = 0;
  std::optional<Version> version;
  // Present when no payload begins before the end of the field. Its offset is fixed; the MIC is
  // computed with these 16 bytes zeroed.
  std::optional<std::array<uint8_t, 16>> mic;
  static constexpr size_t kMicOffset = 72;

  // Strings are UTF-16 or OEM (taken as ASCII, malformed beyond it) as the flags say.
  static Result<AuthenticateMessage> decode(ByteView message);
  // Writes the mic field (zeros to be filled in later) if `mic` is set, and version if it or mic
  // is.
  Bytes encode() const;
};

// [MS-NLMP] 2.2.2.8 "NTLM2 V2 Response: NTLMv2_RESPONSE" with the 2.2.2.7 client challenge in it.
struct Ntlmv2Response {
  std::array<uint8_t, 16> nt_proof_str{};
  FileTime time_stamp;
  Challenge8 client_challenge{};
  AvPairs av_pairs;
  // NTLMv2_CLIENT_CHALLENGE as received, over which nt_proof_str is computed; set by decode().
  Bytes client_challenge_bytes;

  // unsupported: a 24-byte NTLMv1 response, or another response type.
  static Result<Ntlmv2Response> decode(ByteView nt_response);
  // Only NTLMv2_CLIENT_CHALLENGE, the "temp" of [MS-NLMP] 3.3.2.
  Bytes encode_client_challenge() const;
};

// The type of a message: 1, 2 or 3; malformed if it is none of NTLM's.
Result<uint32_t> message_type(ByteView message);

}  // namespace braid::wire::ntlm
