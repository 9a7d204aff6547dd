// [MS-SMB2] 3.3.5.5 "Receiving an SMB2 SESSION_SETUP Request", for SMB2_SESSION_FLAG_BINDING.
#include "smb2/commands/session_bind.h"

#include "smb2/connection.h"
#include "smb2/server.h"

namespace braid::smb2 {
namespace {

using KeyPtr = std::shared_ptr<const crypto::SigningKey>;

bool fits(const Request& request, const crypto::SigningKey& key) {
  return key.verify(request.message, wire::Header::kSignatureOffset,
                    {.message_id = request.header.message_id.value});
}

// The key the request is signed with: the session's, as 3.3.5.5 says, or that of the channel which
// is there already. Null if none fits.
KeyPtr key_of_signature(const Request& request, const std::shared_ptr<Session>& session) {
  const SessionSecurity& security = *session->security();
  if (!request.header.is_signed() || !security.signing_key) return nullptr;
  if (const auto channel = request.connection->find_channel(session->session_id)) {
    return fits(request, *channel->signing_key) ? channel->signing_key : nullptr;
  }
  // [MS-SMB2] 3.1.4.1 signs with the algorithm of the connection. There are clients that stay with
  // that of the session, which the key was made for.
  const auto algorithm = request.connection->negotiated.signing_algorithm;
  if (algorithm != security.signing_key->algorithm()) {
    auto key = std::make_shared<const crypto::SigningKey>(algorithm, security.signing_secret);
    if (fits(request, *key)) return key;
  }
  KeyPtr key(session, security.signing_key.get());
  return fits(request, *key) ? key : nullptr;
}

// Whether the connection's algorithms go with the session's. Windows tells a session with AES-GMAC
// on a connection without from the reverse, before anything else.
Result<void> check_signing_algorithm(const Negotiated& negotiated,
                                     const SessionSecurity& security) {
  using crypto::SigningAlgorithm;
  if (!security.signing_key) return {};
  const SigningAlgorithm of_session = security.signing_key->algorithm();
  if (of_session == negotiated.signing_algorithm) return {};
  if (of_session == SigningAlgorithm::kAesGmac) return fail(NtStatus::kRequestOutOfSequence);
  if (negotiated.signing_algorithm == SigningAlgorithm::kAesGmac) {
    return fail(NtStatus::kNotSupported);
  }
  return {};
}

Result<void> check_binding(Request& request, const Session& session) {
  const Negotiated& negotiated = request.connection->negotiated;
  const SessionState state = session.state(request.server.clock().now());
  const SessionSecurity* security = session.security();
  if (state == SessionState::kClosed) return fail(NtStatus::kUserSessionDeleted);
  // The session in setup has no security yet.
  if (state == SessionState::kInProgress || !security) return fail(NtStatus::kRequestNotAccepted);
  BRAID_CHECK(check_signing_algorithm(negotiated, *security));
  if (!negotiated.is_smb3()) return fail(NtStatus::kRequestNotAccepted);
  if (negotiated.dialect != security->dialect) return fail(NtStatus::kInvalidParameter);
  if (!request.header.is_signed()) return fail(NtStatus::kInvalidParameter);
  if (negotiated.cipher != security->cipher) return fail(NtStatus::kInvalidParameter);
  if (state == SessionState::kExpired) return fail(NtStatus::kNetworkSessionExpired);
  if (!security->has_session_key) return fail(NtStatus::kNotSupported);
  if (!request.signature_verified) return fail(NtStatus::kAccessDenied);
  // Behind the signature, as with Windows and Samba: a bound connection signs with its own key.
  if (request.connection->find_channel(session.session_id)) {
    return fail(NtStatus::kRequestNotAccepted);
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<Session>> find_session_to_bind(Request& request) {
  const SessionId id = request.header.session_id;
  if (id.value == 0) return fail(NtStatus::kInvalidParameter);
  auto session = request.server.session_table.find(id);
  if (!session) return fail(NtStatus::kUserSessionDeleted);
  if (session->security()) {
    request.reply_signing_key = key_of_signature(request, session);
    request.signature_verified = request.reply_signing_key != nullptr;
  }
  BRAID_CHECK(check_binding(request, *session));
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
  switch (session->state(request.server.clock().now())) {
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
  channel->signing_key = std::make_shared<const crypto::SigningKey>(
      negotiated.signing_algorithm,
      crypto::derive_signing_key(static_cast<uint16_t>(negotiated.dialect), step.session_key,
                                 preauth_hash));
  // Another bind of the same session may have been faster on this connection.
  if (connection.find_channel(session->session_id)) return fail(NtStatus::kRequestNotAccepted);
  if (!connection.add_channel(channel)) return fail(NtStatus::kInsufficientResources);
  if (auto added = session->add_channel(channel); !added) {
    connection.remove_channel(*channel);
    return added;
  }
  connection.session_became_valid();
  request.session = session;
  request.channel = channel;
  request.reply_signing_key = channel->signing_key;
  return {};
}

}  // namespace braid::smb2
