#include "auth/spnego_initiator.h"

#include <algorithm>
#include <utility>

#include "auth/initiators.h"
#include "auth/ntlm_initiator.h"

namespace braid::auth {
namespace {

using wire::NegState;
using wire::NegTokenInit;
using wire::NegTokenResp;

crypto::Secret first_16(const crypto::Secret& key) {
  return key.empty() ? key : crypto::Secret::padded(key.reveal(), kSessionKeySize);
}

}  // namespace

Result<AuthInitiator::Step> SpnegoInitiator::step(ByteView token) {
  if (done_) return fail(NtStatus::kInvalidParameter);
  auto result = std::exchange(started_, true) ? on_resp(token) : start(token);
  if (!result || result->done) done_ = true;
  return result;
}

Result<AuthInitiator::Step> SpnegoInitiator::start(ByteView hint) {
  if (!hint.empty()) {
    const auto offer = NegTokenInit::decode(hint);
    if (!offer) return fail(NtStatus::kInvalidParameter);
    if (std::ranges::find(offer->mech_types, mech_->oid()) == offer->mech_types.end()) {
      return fail(NtStatus::kNotSupported);
    }
  }
  BRAID_TRY(MechStep mech_step, mech_->step({}));
  mech_done_ = mech_step.done;
  NegTokenInit init;
  init.mech_types = {mech_->oid()};
  init.mech_token = std::move(mech_step.token);
  mech_types_der_ = init.encode_mech_types();
  return Step{.done = false, .token = init.encode()};
}

Result<AuthInitiator::Step> SpnegoInitiator::on_resp(ByteView token) {
  // Servers may end without a word; the status of the response says then that all is well.
  if (token.empty() && mech_done_) return Step{.done = true, .token = {}};
  const auto resp = NegTokenResp::decode(token);
  if (!resp) return fail(NtStatus::kInvalidParameter);
  if (resp->state == NegState::kReject) return fail(NtStatus::kLogonFailure);

  NegTokenResp reply;
  if (resp->response_token && !resp->response_token->empty()) {
    if (mech_done_) return fail(NtStatus::kInvalidParameter);
    BRAID_TRY(MechStep mech_step, mech_->step(*resp->response_token));
    mech_done_ = mech_step.done;
    if (!mech_step.token.empty()) reply.response_token = std::move(mech_step.token);
  }
  if (resp->mech_list_mic && mech_done_ && mech_->has_integrity() &&
      !mech_->verify_mic(mech_types_der_, *resp->mech_list_mic)) {
    return fail(NtStatus::kLogonFailure);
  }
  if (resp->state == NegState::kAcceptCompleted) {
    if (!mech_done_) return fail(NtStatus::kInvalidParameter);
    return Step{.done = true, .token = {}};
  }
  if (mech_done_ && mech_->has_integrity() && !std::exchange(mic_sent_, true)) {
    BRAID_TRY(reply.mech_list_mic, mech_->make_mic(mech_types_der_));
  }
  return Step{.done = false, .token = reply.encode()};
}

crypto::Secret SpnegoInitiator::session_key() const { return first_16(full_session_key()); }
crypto::Secret SpnegoInitiator::full_session_key() const {
  return mech_done_ ? mech_->full_session_key() : crypto::Secret();
}

Result<AuthInitiator::Step> RawInitiator::step(ByteView token) {
  if (mech_done_) {
    // The server's last answer carries nothing of NTLM.
    return token.empty() ? Result<Step>(Step{.done = true, .token = {}})
                         : fail(NtStatus::kInvalidParameter);
  }
  // A hint comes as SPNEGO; without SPNEGO there is nothing to learn from it.
  const ByteView mech_token = std::exchange(started_, true) ? token : ByteView();
  BRAID_TRY(MechStep mech_step, mech_->step(mech_token));
  mech_done_ = mech_step.done;
  return Step{.done = false, .token = std::move(mech_step.token)};
}

crypto::Secret RawInitiator::session_key() const { return first_16(full_session_key()); }
crypto::Secret RawInitiator::full_session_key() const {
  return mech_done_ ? mech_->full_session_key() : crypto::Secret();
}

std::unique_ptr<AuthInitiator> make_ntlm_initiator(NtlmCredentials credentials,
                                                   const Clock& clock) {
  return std::make_unique<SpnegoInitiator>(
      std::make_unique<NtlmInitiator>(std::move(credentials), clock));
}

std::unique_ptr<AuthInitiator> make_raw_ntlm_initiator(NtlmCredentials credentials,
                                                       const Clock& clock) {
  return std::make_unique<RawInitiator>(
      std::make_unique<NtlmInitiator>(std::move(credentials), clock));
}

}  // namespace braid::auth
