#include "auth/spnego_acceptor.h"

#include <algorithm>
#include <utility>

#include "wire/ntlm/messages.h"

namespace braid::auth {
namespace {

// Of NTLM only the last message is judged, and names somebody; of Kerberos every token, and the
// name is under the ticket's key.
std::optional<std::string> claim_of(const wire::Oid& mech, ByteView mech_token) {
  if (mech != wire::oids::kNtlmssp) return std::string();
  auto message = wire::ntlm::AuthenticateMessage::decode(mech_token);
  if (!message) return std::nullopt;
  return std::move(message->user_name);
}

}  // namespace

using wire::NegState;
using wire::NegTokenInit;
using wire::NegTokenResp;
using wire::TokenKind;

Result<AuthStep> SpnegoAcceptor::step(ByteView token) {
  if (token.size() > kTokenSizeMax) {
    state_ = State::kEnded;
    return fail(NtStatus::kInsufficientResources);
  }
  if (state_ == State::kEnded || ++legs_ > kLegsMax) {
    state_ = State::kEnded;
    return fail(NtStatus::kInvalidParameter);
  }
  auto result = next(token);
  if (!result || result->done) state_ = State::kEnded;
  is_done_ = result && result->done;
  return result;
}

std::optional<std::string> SpnegoAcceptor::claim_to_judge(ByteView token) const {
  if (token.size() > kTokenSizeMax) return std::nullopt;
  switch (state_) {
    case State::kWaitFirst:
      return claim_in_init(token);
    case State::kWaitRaw:
      return claim_of(chosen_, token);
    case State::kWaitResp: {
      const auto resp = NegTokenResp::decode(token);
      if (!resp || !resp->response_token) return std::nullopt;
      return claim_of(chosen_, *resp->response_token);
    }
    case State::kWaitFinalMic:  // judged before
    case State::kEnded:
      break;
  }
  return std::nullopt;
}

std::optional<std::string> SpnegoAcceptor::claim_in_init(ByteView token) const {
  switch (wire::token_kind(token)) {
    case TokenKind::kRawNtlmssp:
      return claim_of(wire::oids::kNtlmssp, token);
    case TokenKind::kRawKrb5:
      return claim_of(wire::oids::kKrb5, token);
    case TokenKind::kSpnegoInit:
      break;
    default:
      return std::nullopt;
  }
  const auto init = NegTokenInit::decode(token);
  if (!init || init->mech_token.empty()) return std::nullopt;
  // The optimistic token is looked at only if it is of the mechanism that will be chosen.
  const wire::Oid& favourite = init->mech_types.front();
  const bool is_offered =
      std::ranges::find(offered_, favourite, &OfferedMech::oid) != offered_.end();
  return is_offered ? claim_of(favourite, init->mech_token) : std::nullopt;
}

std::string SpnegoAcceptor::claimed_account() const {
  return mech_ == nullptr ? std::string() : mech_->claimed_account();
}

std::unique_ptr<MessageSecurity> SpnegoAcceptor::take_message_security() {
  return std::exchange(is_done_, false) ? mech_->take_message_security() : nullptr;
}

Result<AuthStep> SpnegoAcceptor::next(ByteView token) {
  switch (state_) {
    case State::kWaitFirst:
      return on_first(token);
    case State::kWaitRaw:
      return on_raw(token);
    case State::kWaitResp:
    case State::kWaitFinalMic:
      return on_resp(token);
    case State::kEnded:
      break;
  }
  return fail(NtStatus::kInvalidParameter);
}

bool SpnegoAcceptor::choose(const wire::Oid& mech) {
  for (const OfferedMech& offered : offered_) {
    if (offered.oid == mech) {
      mech_ = offered.make();
      chosen_ = mech;
      return true;
    }
  }
  return false;
}

Result<AuthStep> SpnegoAcceptor::on_first(ByteView token) {
  const TokenKind kind = wire::token_kind(token);
  if (kind == TokenKind::kSpnegoInit) return on_init(token);
  if ((kind == TokenKind::kRawNtlmssp && choose(wire::oids::kNtlmssp)) ||
      (kind == TokenKind::kRawKrb5 && choose(wire::oids::kKrb5))) {
    state_ = State::kWaitRaw;
    return on_raw(token);
  }
  return fail(NtStatus::kInvalidParameter);
}

Result<AuthStep> SpnegoAcceptor::on_raw(ByteView token) {
  BRAID_TRY(MechStep mech_step, mech_->step(token));
  AuthStep step{.done = mech_step.done, .reply_token = std::move(mech_step.token)};
  if (step.done) mech_->take_outcome(step);
  return step;
}

Result<AuthStep> SpnegoAcceptor::on_init(ByteView token) {
  auto init = NegTokenInit::decode(token);
  if (!init) return fail(NtStatus::kInvalidParameter);
  mech_types_der_ = std::move(init->mech_types_der);
  // The client's order decides among what both have.
  for (const wire::Oid& mech : init->mech_types) {
    if (choose(mech)) break;
  }
  if (mech_ == nullptr) return fail(NtStatus::kInvalidParameter);
  state_ = State::kWaitResp;

  const bool is_favourite = chosen_ == init->mech_types.front();
  if (!is_favourite) {
    // The optimistic token is for another mechanism; the client sends one for ours next.
    mic_required_ = true;
    return more(NegState::kRequestMic, {});
  }
  if (init->mech_token.empty()) return more(NegState::kAcceptIncomplete, {});
  return feed(init->mech_token, init->mech_list_mic);
}

Result<AuthStep> SpnegoAcceptor::on_resp(ByteView token) {
  const auto resp = NegTokenResp::decode(token);
  if (!resp) return fail(NtStatus::kInvalidParameter);
  if (resp->state == NegState::kReject) return fail(NtStatus::kLogonFailure);
  if (state_ == State::kWaitFinalMic) return finish({}, resp->mech_list_mic);
  if (!resp->response_token) return fail(NtStatus::kInvalidParameter);
  return feed(*resp->response_token, resp->mech_list_mic);
}

Result<AuthStep> SpnegoAcceptor::feed(ByteView mech_token, const std::optional<Bytes>& client_mic) {
  BRAID_TRY(MechStep mech_step, mech_->step(mech_token));
  if (!mech_step.done) return more(NegState::kAcceptIncomplete, std::move(mech_step.token));
  return finish(std::move(mech_step.token), client_mic);
}

// [RFC4178] 5: the MICs may be left out only if the client's favourite was taken, and a client that
// sends one gets one.
Result<AuthStep> SpnegoAcceptor::finish(Bytes mech_token, const std::optional<Bytes>& client_mic) {
  NegTokenResp reply;
  if (!mech_token.empty()) reply.response_token = std::move(mech_token);
  if (!mech_->has_integrity()) {
    // A guest shares no key with us, and there is nothing a guest could be downgraded from.
    AuthStep outcome;
    mech_->take_outcome(outcome);
    if (mic_required_ && !outcome.identity->is_guest && !outcome.identity->is_anonymous) {
      return fail(NtStatus::kLogonFailure);
    }
    return complete(std::move(reply));
  }
  if (client_mic) {
    if (!mech_->verify_mic(mech_types_der_, *client_mic)) return fail(NtStatus::kLogonFailure);
    if (state_ != State::kWaitFinalMic) {
      BRAID_TRY(reply.mech_list_mic, mech_->make_mic(mech_types_der_));
    }
    return complete(std::move(reply));
  }
  if (!mic_required_) return complete(std::move(reply));
  if (state_ == State::kWaitFinalMic) return fail(NtStatus::kLogonFailure);
  // Ours first, then the client's: the mechanism ended with our token, as Kerberos does.
  BRAID_TRY(reply.mech_list_mic, mech_->make_mic(mech_types_der_));
  reply.state = NegState::kAcceptIncomplete;
  if (!std::exchange(chosen_told_, true)) reply.supported_mech = chosen_;
  state_ = State::kWaitFinalMic;
  return AuthStep{.done = false, .reply_token = reply.encode()};
}

AuthStep SpnegoAcceptor::more(NegState state, Bytes mech_token) {
  NegTokenResp reply;
  reply.state = state;
  if (!std::exchange(chosen_told_, true)) reply.supported_mech = chosen_;
  if (!mech_token.empty()) reply.response_token = std::move(mech_token);
  return AuthStep{.done = false, .reply_token = reply.encode()};
}

AuthStep SpnegoAcceptor::complete(NegTokenResp reply) {
  reply.state = NegState::kAcceptCompleted;
  if (!std::exchange(chosen_told_, true)) reply.supported_mech = chosen_;
  AuthStep step{.done = true, .reply_token = reply.encode()};
  mech_->take_outcome(step);
  return step;
}

}  // namespace braid::auth
