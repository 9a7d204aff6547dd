// A client that logs on within a conversation, with NTLM, for tests and fuzzers.
#pragma once

#include <memory>

#include "auth/auth_fixture_testing.h"
#include "auth/ntlm_keys.h"
#include "rpc/pdu.h"
#include "rpc/pipe.h"

namespace braid::rpc {

// Judges the logons that are due, as whoever owns the pipe, or the Association, does.
template <class Conversation>
Result<void> judge_logons(Conversation& pipe, const CallerInfo& caller) {
  while (const auto due = pipe.logon_due()) {
    const auto step = due->exchange.step(due->token);
    BRAID_CHECK(pipe.logged_on(caller, step));
  }
  return {};
}

class SecuredClient {
 public:
  SecuredClient(AuthLevel level, const SyntaxId& interface,
                const std::string& password = auth::AuthFixture::kPassword)
      : trailer_{AuthType::kNtlm, level, 0, 77},
        interface_(interface),
        ntlm_(auth::make_raw_ntlm_initiator(
            {.user = auth::AuthFixture::kUser, .domain = "D", .password = password})) {}

  Bytes bind() {
    Bytes body;
    wire::Writer w(body);
    w.u16(4280);
    w.u16(4280);
    w.u32(0);
    w.u32(1);
    w.u16(0);
    w.u16(1);
    interface_.encode(w);
    kNdrSyntax.encode(w);
    return with_token(pdu(PduType::kBind, 3, body), ntlm_->step({})->token);
  }
  // Empty: the bind was not acknowledged.
  Bytes auth3(ByteView ack) {
    wire::Reader r(ack);
    const auto header = PduHeader::decode(r);
    if (!header || header->type != PduType::kBindAck) return {};
    const auto step = ntlm_->step(ack.last(header->auth_length));
    if (!step) return {};
    const auto message = wire::ntlm::AuthenticateMessage::decode(step->token);
    if (!message) return {};
    direction_.emplace(ntlm_->full_session_key(), message->negotiate_flags, auth::NtlmSide::kClient,
                       0);
    return with_token(pdu(PduType::kAuth3, 3, Bytes(4)), step->token);
  }
  // REQUIRES: auth3() made one.
  Bytes request(uint16_t opnum, ByteView stub, uint8_t flags = 3, uint32_t call_id = 5) {
    Bytes body;
    wire::Writer w(body);
    w.u32(0);
    w.u16(0);
    w.u16(opnum);
    w.bytes(stub);
    return protect(pdu(PduType::kRequest, flags, body, call_id));
  }
  // REQUIRES: 24 bytes at least.
  Bytes protect(Bytes pdu) {
    constexpr size_t kBody = 24;
    constexpr size_t kSize = auth::NtlmDirection::kSignatureSize;
    const size_t end = append_sec_trailer(pdu, kBody, 16, trailer_, kSize);
    const Bytes readable = pdu;
    if (trailer_.level == AuthLevel::kPrivacy) {
      direction_->apply(MutableByteView(pdu).subspan(kBody, end - kBody));
    }
    const ByteView parts[] = {readable};
    const Bytes verifier = direction_->signature(parts);
    pdu.insert(pdu.end(), verifier.begin(), verifier.end());
    return pdu;
  }
  static Bytes pdu(PduType type, uint8_t flags, ByteView body, uint32_t call_id = 5) {
    Bytes out;
    wire::Writer w(out);
    PduHeader header;
    header.type = type;
    header.flags = flags;
    header.frag_length = static_cast<uint16_t>(PduHeader::kSize + body.size());
    header.call_id = call_id;
    header.encode(w);
    w.bytes(body);
    return out;
  }

 private:
  Bytes with_token(Bytes pdu, ByteView token) {
    append_sec_trailer(pdu, PduHeader::kSize, 4, trailer_, token.size());
    pdu.insert(pdu.end(), token.begin(), token.end());
    return pdu;
  }

  SecTrailer trailer_;
  SyntaxId interface_;
  std::unique_ptr<auth::AuthInitiator> ntlm_;
  std::optional<auth::NtlmDirection> direction_;
};

}  // namespace braid::rpc
