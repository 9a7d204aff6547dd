// [MS-SMB2] 3.3.5.5 "Receiving an SMB2 SESSION_SETUP Request", for SMB2_SESSION_FLAG_BINDING.
#include "smb2/logons/session_bind.h"

#include "smb2/connections/connection.h"
#include "smb2/logons/bind_questions.h"
#include "smb2/logons/logon_services.h"
#include "smb2/logons/session_notice.h"

namespace braid::smb2 {
namespace {

using KeyPtr = std::shared_ptr<const crypto::SigningKey>;

bool fits(const BindAttempt& attempt, const crypto::SigningKey& key) {
  return key.verify(attempt.message, wire::Header::kSignatureOffset,
                    {.message_id = attempt.message_id.value});
}

// The session's key, if the request is signed with it; null if not.
KeyPtr session_key_of(const BindAttempt& attempt, const std::shared_ptr<const Session>& session) {
  const SessionSecurity& security = *session->security();
  if (!attempt.is_signed || !security.signing_key) return nullptr;
  // [MS-SMB2] 3.1.4.1 signs with the algorithm of the connection. There are clients that stay with
  // that of the session, which the key was made for.
  if (attempt.signing_algorithm != security.signing_key->algorithm()) {
    auto key = std::make_shared<const crypto::SigningKey>(attempt.signing_algorithm,
                                                          security.signing_secret);
    if (fits(attempt, *key)) return key;
  }
  KeyPtr key(session, security.signing_key.get());
  return fits(attempt, *key) ? key : nullptr;
}

// The key the request is signed with: the session's, as 3.3.5.5 says, or that of the channel which
// is there already. Null if none fits.
KeyPtr key_of_signature(const Request& request, const BindAttempt& attempt,
                        const std::shared_ptr<const Session>& session) {
  const auto channel = request.connection->find_channel(session->session_id);
  if (!channel) return session_key_of(attempt, session);
  if (!attempt.is_signed || !channel->signing_key) return nullptr;
  return fits(attempt, *channel->signing_key) ? channel->signing_key : nullptr;
}

// Whether the connection's algorithms go with the session's. Windows tells a session with AES-GMAC
// on a connection without from the reverse, before anything else.
NtStatus judge_signing_algorithm(const BindAttempt& attempt, const SessionSecurity& security) {
  using crypto::SigningAlgorithm;
  if (!security.signing_key) return NtStatus::kSuccess;
  const SigningAlgorithm of_session = security.signing_key->algorithm();
  if (of_session == attempt.signing_algorithm) return NtStatus::kSuccess;
  if (of_session == SigningAlgorithm::kAesGmac) return NtStatus::kRequestOutOfSequence;
  if (attempt.signing_algorithm == SigningAlgorithm::kAesGmac) return NtStatus::kNotSupported;
  return NtStatus::kSuccess;
}

NtStatus judge(const BindAttempt& attempt, const Session& session, FileTime now,
               bool signature_fits) {
  const SessionState state = session.state(now);
  const SessionSecurity* security = session.security();
  if (state == SessionState::kClosed) return NtStatus::kUserSessionDeleted;
  // The session in setup has no security yet.
  if (state == SessionState::kInProgress || !security) return NtStatus::kRequestNotAccepted;
  if (const NtStatus status = judge_signing_algorithm(attempt, *security);
      status != NtStatus::kSuccess) {
    return status;
  }
  if (attempt.dialect < wire::Dialect::kSmb300) return NtStatus::kRequestNotAccepted;
  if (attempt.dialect != security->dialect) return NtStatus::kInvalidParameter;
  if (!attempt.is_signed) return NtStatus::kInvalidParameter;
  if (attempt.cipher != security->cipher) return NtStatus::kInvalidParameter;
  if (attempt.dialect == wire::Dialect::kSmb311 &&
      attempt.supports_notifications != supports_notifications(session)) {
    return NtStatus::kInvalidParameter;
  }
  if (state == SessionState::kExpired) return NtStatus::kNetworkSessionExpired;
  if (!security->has_session_key) return NtStatus::kNotSupported;
  if (!signature_fits) return NtStatus::kAccessDenied;
  // Behind the signature, as with Windows and Samba: a bound connection signs with its own key.
  if (attempt.is_bound) return NtStatus::kRequestNotAccepted;
  // Last, as Windows and Samba tell the rest to such a client, too.
  if (attempt.client_guid != session.client_guid) return NtStatus::kUserSessionDeleted;
  return NtStatus::kSuccess;
}

}  // namespace

BindAttempt BindAttempt::of(const Request& request) {
  const Negotiated& negotiated = request.connection->negotiated;
  return {.dialect = negotiated.dialect,
          .cipher = negotiated.cipher,
          .signing_algorithm = negotiated.signing_algorithm,
          .client_guid = negotiated.client_guid,
          .supports_notifications = smb2::supports_notifications(*request.connection),
          .is_signed = request.header.is_signed(),
          .is_bound = request.connection->find_channel(request.header.session_id) != nullptr,
          .message_id = request.header.message_id,
          .message = request.message};
}

void BindAttempt::encode(wire::Writer& w) const {
  w.value(dialect);
  w.value(cipher);
  w.value(signing_algorithm);
  w.id128(client_guid);
  w.u8(supports_notifications);
  w.u8(is_signed);
  w.u64(message_id.value);
  w.bytes(message);
}

// A connection of another worker has no channel of a session of this one.
BindAttempt BindAttempt::decode(wire::Reader& r) {
  BindAttempt attempt;
  attempt.dialect = r.as<wire::Dialect>();
  attempt.cipher = r.as<crypto::Cipher>();
  attempt.signing_algorithm = r.as<crypto::SigningAlgorithm>();
  r.expect(attempt.signing_algorithm <= crypto::SigningAlgorithm::kAesGmac);
  attempt.client_guid = r.id128<ClientGuid>();
  attempt.supports_notifications = r.u8() != 0;
  attempt.is_signed = r.u8() != 0;
  attempt.message_id = {r.u64()};
  attempt.message = r.rest();
  r.expect(attempt.message.size() >= wire::Header::kSize);
  return attempt;
}

void BindVerdict::encode(wire::Writer& w) const {
  w.value(status);
  w.value(signing_algorithm);
  w.bytes(signing_key.reveal());
}

Result<BindVerdict> BindVerdict::decode(wire::Reader& r) {
  BindVerdict verdict;
  verdict.status = r.as<NtStatus>();
  verdict.signing_algorithm = r.as<crypto::SigningAlgorithm>();
  verdict.signing_key = crypto::Secret(r.rest());
  return r.finish(std::move(verdict));
}

BindVerdict judge_bind_here(const BindAttempt& attempt,
                            const std::shared_ptr<const Session>& session, FileTime now) {
  const KeyPtr key = session->security() ? session_key_of(attempt, session) : nullptr;
  BindVerdict verdict{.status = judge(attempt, *session, now, key != nullptr), .signing_key = {}};
  if (key) {
    verdict.signing_key = session->security()->signing_secret;
    verdict.signing_algorithm = key->algorithm();
  }
  return verdict;
}

Task<Error> refuse_bind_elsewhere(Request& request) {
  const BindVerdict verdict = co_await request.logons.bind_questions->judge(
      request.header.session_id, BindAttempt::of(request), request.connection->reactor());
  if (!verdict.signing_key.empty()) {
    request.reply_signing_key =
        std::make_shared<const crypto::SigningKey>(verdict.signing_algorithm, verdict.signing_key);
  }
  co_return Error(verdict.status == NtStatus::kSuccess ? NtStatus::kUserSessionDeleted
                                                       : verdict.status);
}

Result<std::shared_ptr<Session>> find_session_to_bind(Request& request) {
  const SessionId id = request.header.session_id;
  if (id.value == 0) return fail(NtStatus::kInvalidParameter);
  auto session = request.logons.session_table.find(id);
  if (!session) return fail(NtStatus::kUserSessionDeleted);
  const BindAttempt attempt = BindAttempt::of(request);
  if (session->security()) {
    request.reply_signing_key = key_of_signature(request, attempt, session);
    request.signature_verified = request.reply_signing_key != nullptr;
  }
  const NtStatus status =
      judge(attempt, *session, request.logons.clock.now(), request.signature_verified);
  if (status != NtStatus::kSuccess) return fail(status);
  return session;
}

Result<void> add_bound_channel(Request& request, const std::shared_ptr<Session>& session,
                               const auth::AuthStep& step, ByteView preauth_hash) {
  Connection& connection = *request.connection;
  // The text says STATUS_NOT_SUPPORTED for another user, Windows and Samba this.
  if (!session->principal().identity->is_same_user(*step.identity)) {
    return fail(NtStatus::kAccessDenied);
  }
  if (step.identity->is_anonymous || step.identity->is_guest || step.session_key.empty()) {
    return fail(NtStatus::kNotSupported);
  }
  switch (session->state(request.logons.clock.now())) {
    case SessionState::kValid:
      break;
    case SessionState::kExpired:
      return fail(NtStatus::kNetworkSessionExpired);
    default:
      return fail(NtStatus::kUserSessionDeleted);
  }
  const Negotiated& negotiated = connection.negotiated;
  auto channel = std::make_shared<Channel>();
  channel->session = session;
  channel->connection = connection.weak_from_this();
  channel->signing_secret = crypto::derive_signing_key(static_cast<uint16_t>(negotiated.dialect),
                                                       step.session_key, preauth_hash);
  channel->signing_key = std::make_shared<const crypto::SigningKey>(
      negotiated.signing_algorithm, channel->signing_secret, &request.logons.crypto_work);
  // Another bind of the same session may have been faster on this connection.
  if (connection.find_channel(session->session_id)) return fail(NtStatus::kRequestNotAccepted);
  if (!connection.add_channel(channel)) return fail(NtStatus::kInsufficientResources);
  if (auto added = session->add_channel(channel); !added) {
    connection.remove_channel(*channel);
    return added;
  }
  connection.session_became_valid(*session);
  request.session = session;
  request.channel = channel;
  request.reply_signing_key = channel->signing_key;
  return {};
}

}  // namespace braid::smb2
