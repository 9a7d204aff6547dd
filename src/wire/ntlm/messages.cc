#include "wire/ntlm/messages.h"

#include <algorithm>

#include "wire/ntlm/payload.h"

namespace braid::wire::ntlm {
namespace {

constexpr uint32_t kNegotiateType = 1;
constexpr uint32_t kChallengeType = 2;
constexpr uint32_t kAuthenticateType = 3;

// Where the payload may begin, for messages whose senders leave out fields at the end.
constexpr size_t kNegotiateWithNamesSize = 32;
constexpr size_t kNegotiateWithVersionSize = 40;
constexpr size_t kChallengeWithTargetInfoSize = 48;
constexpr size_t kChallengeWithVersionSize = 56;
constexpr size_t kAuthenticateWithVersionSize = 72;
constexpr size_t kAuthenticateWithMicSize = 88;
// Old clients stop before the session key and the flags.
constexpr size_t kAuthenticateWithFlagsSize = 64;

Bytes copy(ByteView view) { return {view.begin(), view.end()}; }

Challenge8 read_challenge(Reader& r) {
  Challenge8 challenge{};
  const ByteView view = r.bytes(challenge.size());
  std::ranges::copy(view, challenge.begin());
  return challenge;
}

}  // namespace

Result<uint32_t> message_type(ByteView message) {
  Reader r(message);
  const ByteView signature = r.bytes(kSignature.size());
  if (r.ok()) r.expect(as_text(signature) == kSignature);
  const uint32_t type = r.u32();
  r.expect(type >= kNegotiateType && type <= kAuthenticateType);
  return r.finish(type);
}

Result<NegotiateMessage> NegotiateMessage::decode(ByteView message) {
  NegotiateMessage negotiate;
  Reader r(message);
  expect_message(r, kNegotiateType);
  negotiate.negotiate_flags = r.u32();
  if (!r.ok()) return fail(r.error());
  if (message.size() < kNegotiateWithNamesSize) return negotiate;

  const Field domain = Field::read(r);
  const Field workstation = Field::read(r);
  // Without their flags the fields mean nothing, whatever is in them.
  if (negotiate.negotiate_flags & flags::kOemDomainSupplied) {
    negotiate.domain_name = as_text(domain.in(r));
  }
  if (negotiate.negotiate_flags & flags::kOemWorkstationSupplied) {
    negotiate.workstation = as_text(workstation.in(r));
  }
  if (negotiate.negotiate_flags & flags::kVersion && message.size() >= kNegotiateWithVersionSize) {
    negotiate.version = read_version(r);
  }
  return r.finish(std::move(negotiate));
}

Bytes NegotiateMessage::encode() const {
  MessageBuilder builder(kNegotiateType);
  builder.writer().u32(negotiate_flags);
  builder.field(as_bytes(domain_name));
  builder.field(as_bytes(workstation));
  if (version) write_version(builder.writer(), *version);
  return builder.finish();
}

Result<ChallengeMessage> ChallengeMessage::decode(ByteView message) {
  ChallengeMessage challenge;
  Reader r(message);
  expect_message(r, kChallengeType);
  const Field target_name = Field::read(r);
  challenge.negotiate_flags = r.u32();
  challenge.server_challenge = read_challenge(r);
  if (!r.ok()) return fail(r.error());
  if (challenge.negotiate_flags & flags::kRequestTarget) {
    const ByteView name = target_name.in(r);
    if (!r.ok()) return fail(r.error());
    BRAID_TRY(challenge.target_name, text_in(name, challenge.negotiate_flags));
  }
  if (message.size() >= kChallengeWithTargetInfoSize) {
    r.skip(8);  // Reserved
    const Field target_info = Field::read(r);
    if (challenge.negotiate_flags & flags::kTargetInfo && target_info.size > 0) {
      // Beyond the message it is no bytes, which are no list either: truncated.
      BRAID_TRY(challenge.target_info, AvPairs::decode(target_info.in(r)));
    }
    if (challenge.negotiate_flags & flags::kVersion &&
        message.size() >= kChallengeWithVersionSize) {
      challenge.version = read_version(r);
    }
  }
  return r.finish(std::move(challenge));
}

Bytes ChallengeMessage::encode() const {
  MessageBuilder builder(kChallengeType);
  builder.text_field(target_name);
  builder.writer().u32(negotiate_flags);
  builder.writer().bytes(server_challenge);
  builder.writer().zeros(8);
  builder.field(negotiate_flags & flags::kTargetInfo ? target_info.encode() : Bytes());
  if (version) {
    write_version(builder.writer(), *version);
  } else {
    builder.writer().zeros(8);
  }
  return builder.finish();
}

Result<AuthenticateMessage> AuthenticateMessage::decode(ByteView message) {
  AuthenticateMessage authenticate;
  Reader r(message);
  expect_message(r, kAuthenticateType);
  const Field lm_response = Field::read(r);
  const Field nt_response = Field::read(r);
  const Field domain_name = Field::read(r);
  const Field user_name = Field::read(r);
  const Field workstation = Field::read(r);
  const Field session_key = Field::read(r);
  authenticate.negotiate_flags = r.u32();
  if (!r.ok()) return fail(r.error());
  static_assert(kAuthenticateWithFlagsSize == 8 + 4 + 6 * 8 + 4);

  // Where the first non-empty field begins, there the fixed part ended.
  size_t fixed_size = message.size();
  for (const Field& field :
       {lm_response, nt_response, domain_name, user_name, workstation, session_key}) {
    if (field.size > 0) fixed_size = std::min<size_t>(fixed_size, field.offset);
  }
  if (authenticate.negotiate_flags & flags::kVersion &&
      fixed_size >= kAuthenticateWithVersionSize) {
    authenticate.version = read_version(r);
  }
  if (fixed_size >= kAuthenticateWithMicSize) {
    authenticate.mic.emplace();
    std::ranges::copy(r.at(AuthenticateMessage::kMicOffset, authenticate.mic->size()),
                      authenticate.mic->begin());
  }

  authenticate.lm_response = copy(lm_response.in(r));
  authenticate.nt_response = copy(nt_response.in(r));
  authenticate.encrypted_random_session_key = copy(session_key.in(r));
  const ByteView domain_bytes = domain_name.in(r);
  const ByteView user_bytes = user_name.in(r);
  const ByteView workstation_bytes = workstation.in(r);
  if (!r.ok()) return fail(r.error());
  BRAID_TRY(authenticate.domain_name, text_in(domain_bytes, authenticate.negotiate_flags));
  BRAID_TRY(authenticate.user_name, text_in(user_bytes, authenticate.negotiate_flags));
  BRAID_TRY(authenticate.workstation, text_in(workstation_bytes, authenticate.negotiate_flags));
  return r.finish(std::move(authenticate));
}

Bytes AuthenticateMessage::encode() const {
  MessageBuilder builder(kAuthenticateType);
  builder.field(lm_response);
  builder.field(nt_response);
  builder.text_field(domain_name);
  builder.text_field(user_name);
  builder.text_field(workstation);
  builder.field(encrypted_random_session_key);
  builder.writer().u32(negotiate_flags);
  if (version) {
    write_version(builder.writer(), *version);
  } else if (mic) {
    builder.writer().zeros(8);
  }
  if (mic) builder.writer().bytes(*mic);
  return builder.finish();
}

Result<Ntlmv2Response> Ntlmv2Response::decode(ByteView nt_response) {
  constexpr size_t kNtlmv1Size = 24;
  if (nt_response.size() <= kNtlmv1Size) return fail(Error::unsupported());
  Ntlmv2Response response;
  Reader r(nt_response);
  std::ranges::copy(r.bytes(response.nt_proof_str.size()), response.nt_proof_str.begin());
  response.client_challenge_bytes = copy(nt_response.subspan(r.position()));
  const uint8_t response_type = r.u8();
  const uint8_t response_type_max = r.u8();
  r.skip(6);
  response.time_stamp = r.file_time();
  response.client_challenge = read_challenge(r);
  r.skip(4);
  if (!r.ok()) return fail(r.error());
  if (response_type != 1 || response_type_max != 1) return fail(Error::unsupported());
  BRAID_TRY(response.av_pairs, AvPairs::decode(r.rest()));
  return response;
}

Bytes Ntlmv2Response::encode_client_challenge() const {
  Bytes out;
  Writer w(out);
  w.u8(1);
  w.u8(1);
  w.zeros(6);
  w.file_time(time_stamp);
  w.bytes(client_challenge);
  w.zeros(4);
  w.bytes(av_pairs.encode());
  w.zeros(4);
  return out;
}

}  // namespace braid::wire::ntlm
