#include "rpc/security_contexts.h"

#include <utility>

#include "wire/spnego/neg_token.h"

namespace braid::rpc {
namespace {

// Of a response's body, as the trailer asks.
constexpr size_t kBodyAlignment = 16;

// [MS-RPCE] 2.2.1.1.8: what is the same as something else.
AuthLevel level_of(AuthLevel level) {
  if (level == AuthLevel::kDefault) return AuthLevel::kConnect;
  return level == AuthLevel::kCall ? AuthLevel::kPacket : level;
}

bool is_of_type(ByteView token, AuthType type) {
  switch (wire::token_kind(token)) {
    case wire::TokenKind::kRawNtlmssp:
      return type == AuthType::kNtlm || type == AuthType::kNegotiate;
    case wire::TokenKind::kRawKrb5:
      return type == AuthType::kKerberos || type == AuthType::kNegotiate;
    default:
      return type == AuthType::kNegotiate;
  }
}

}  // namespace

bool SecurityContexts::recognizes(const SecTrailer& trailer) const {
  const bool is_type = trailer.type == AuthType::kNegotiate || trailer.type == AuthType::kNtlm ||
                       trailer.type == AuthType::kKerberos;
  const AuthLevel level = level_of(trailer.level);
  return authenticator_ != nullptr && is_type && level >= AuthLevel::kConnect &&
         level <= AuthLevel::kPrivacy;
}

Result<SecurityContext*> SecurityContexts::begin_leg(SecTrailer trailer, ByteView token,
                                                     PduType type) {
  trailer.level = level_of(trailer.level);
  const auto found = contexts_.find(trailer.context_id);
  if (found != contexts_.end()) {
    SecurityContext& context = found->second;
    const bool goes_on = type != PduType::kBind && context.exchange && context.is_of(trailer);
    if (!goes_on) return fail(Error::malformed());
    return &context;
  }
  if (type == PduType::kAuth3) return fail(Error::malformed());
  if (contexts_.size() >= kContextsMax) return fail(NtStatus::kInsufficientResources);
  if (!is_of_type(token, trailer.type)) return fail(NtStatus::kLogonFailure);
  SecurityContext& context = contexts_[trailer.context_id];
  context.how = trailer;
  context.exchange = authenticator_->begin_rpc();
  return &context;
}

Result<void> SecurityContexts::end_leg(SecurityContext& context, const Result<auth::AuthStep>& step,
                                       const std::string& client_address) {
  if (step && !step->done) return {};
  const auto exchange = std::move(context.exchange);
  if (!step) return std::unexpected(step.error());
  if (context.protects()) {
    context.messages = exchange->take_message_security();
    const bool is_enough = context.messages && (context.protection() == auth::Protection::kSign ||
                                                context.messages->can_seal());
    if (!is_enough) return fail(NtStatus::kAccessDenied);
  }
  context.caller = caller_info_of(*step->identity, client_address);
  return {};
}

Result<SecurityContext*> SecurityContexts::of_request(const std::optional<SecTrailer>& trailer) {
  if (!trailer) {
    if (contexts_.empty()) return nullptr;
    // [MS-RPCE] 3.3.1.5.4: with one context, of the level that protects nothing, trailers may be
    // left out.
    SecurityContext& only = contexts_.begin()->second;
    const bool is_its = contexts_.size() == 1 && !only.protects();
    if (!is_its || !only.caller) return fail(NtStatus::kAccessDenied);
    return &only;
  }
  SecTrailer how = *trailer;
  how.level = level_of(how.level);
  SecurityContext* const context = find(how.context_id);
  if (!context || !context->is_of(how) || !context->caller) return fail(NtStatus::kAccessDenied);
  return context;
}

SecurityContext* SecurityContexts::find(uint32_t context_id) {
  const auto found = contexts_.find(context_id);
  return found == contexts_.end() ? nullptr : &found->second;
}

Result<ByteView> SecurityContexts::unprotect(SecurityContext& context, const PduHeader& header,
                                             MutableByteView fragment, size_t body_offset) {
  const size_t end = header.body_end();
  const MutableByteView body = fragment.subspan(body_offset, end - body_offset);
  DrepReader trailer_reader(wire::Reader(fragment, end), header.order);
  const SecTrailer trailer = SecTrailer::decode(trailer_reader);
  if (context.messages) {
    const auth::MessageSegments message{.header = fragment.first(body_offset),
                                        .body = body,
                                        .trailer = fragment.subspan(end, SecTrailer::kSize),
                                        .header_signing = header_signing_};
    BRAID_CHECK(context.messages->check(context.protection(), message, trailer_reader.rest()));
  }
  if (trailer.pad_length > body.size()) return fail(Error::malformed());
  return ByteView(body).first(body.size() - trailer.pad_length);
}

Result<void> SecurityContexts::protect(SecurityContext& context, Bytes& pdu, size_t body_offset) {
  BRAID_TRY(const size_t size, context.messages->verifier_size(context.protection()));
  const size_t end = append_sec_trailer(pdu, body_offset, kBodyAlignment, context.how, size);
  const MutableByteView whole(pdu);
  const auth::MessageSegments message{.header = whole.first(body_offset),
                                      .body = whole.subspan(body_offset, end - body_offset),
                                      .trailer = whole.subspan(end),
                                      .header_signing = header_signing_};
  BRAID_TRY(const Bytes verifier, context.messages->protect(context.protection(), message));
  // Its length is signed already.
  if (verifier.size() != size) return fail(NtStatus::kInternalError);
  pdu.insert(pdu.end(), verifier.begin(), verifier.end());
  return {};
}

Result<size_t> SecurityContexts::overhead(SecurityContext& context) {
  BRAID_TRY(const size_t size, context.messages->verifier_size(context.protection()));
  return kBodyAlignment + SecTrailer::kSize + size;
}

}  // namespace braid::rpc
