// [MS-SMB2] 3.3.5.5 "Receiving an SMB2 SESSION_SETUP Request".
#include "wire/smb2/session_setup.h"

#include "base/log.h"
#include "smb2/commands/audit.h"
#include "smb2/commands/commands.h"
#include "smb2/common/error_status.h"
#include "smb2/common/user_id.h"
#include "smb2/connections/compound.h"
#include "smb2/connections/connection.h"
#include "smb2/logons/logon_turn.h"
#include "smb2/logons/previous_session.h"
#include "smb2/logons/session_bind.h"
#include "smb2/server.h"

namespace braid::smb2 {
namespace {

using wire::Dialect;
using wire::SessionSetupRequest;
using wire::SessionSetupResponse;
using Purpose = SessionSetupExchange::Purpose;

Principal principal_of(std::shared_ptr<const auth::Identity> identity) {
  auto credentials = std::make_shared<UnixCredentials>();
  credentials->uid = identity->uid;
  credentials->gid = identity->gid;
  credentials->groups = identity->groups;
  return {std::move(identity), std::move(credentials)};
}

// The exchange this request goes on with, or a new one.
Result<std::shared_ptr<SessionSetupExchange>> find_or_begin(Request& request,
                                                            const SessionSetupRequest& setup) {
  Connection& connection = *request.connection;
  Server& server = request.server;
  const SessionId id = request.header.session_id;

  std::shared_ptr<Session> to_bind;
  if (setup.flags & SessionSetupRequest::kFlagBinding) {
    BRAID_TRY(to_bind, find_session_to_bind(request));
  }
  const auto found = connection.session_setups.find(id);
  if (found != connection.session_setups.end() &&
      (found->second->purpose == Purpose::kBind) == (to_bind != nullptr)) {
    return std::move(connection.session_setups.extract(found).mapped());
  }
  if (connection.session_setups.size() + connection.session_setups_under_way >=
      kSessionSetupsInProgressMax) {
    return fail(NtStatus::kInsufficientResources);
  }

  auto memory = connection.memory->try_take(kSessionSetupSize, MemoryUse::kLasting);
  if (!memory) {
    server.memory->count_refusal();
    return fail(NtStatus::kInsufficientResources);
  }
  auto exchange = std::make_shared<SessionSetupExchange>();
  exchange->memory = std::move(*memory);
  exchange->exchange = server.logons.authenticator.begin();
  exchange->preauth_hash = connection.preauth_integrity_hash;
  if (to_bind) {
    exchange->session = std::move(to_bind);
    exchange->purpose = Purpose::kBind;
    return exchange;
  }
  if (id.value == 0) {
    exchange->session = server.logons.session_table.create(connection.negotiated.client_guid);
    return exchange;
  }
  // [MS-SMB2] 3.3.5.5.2 "Reauthenticating an Existing Session".
  request.channel = connection.find_channel(id);
  if (!request.channel) return fail(NtStatus::kUserSessionDeleted);
  exchange->session = request.channel->session;
  exchange->purpose = Purpose::kReauthenticate;
  if (exchange->session->state(server.logons.clock.now()) == SessionState::kClosed) {
    return fail(NtStatus::kUserSessionDeleted);
  }
  return exchange;
}

// A reauthentication is a request of the session and is signed like one.
Result<void> verify_signature(Request& request) {
  if (request.is_encrypted || !request.channel) return {};
  const SessionSecurity* security = request.session->security();
  if (request.header.is_signed()) {
    if (!request.channel->signing_key) return fail(NtStatus::kNotSupported);
    if (!request.channel->signing_key->verify(request.message, wire::Header::kSignatureOffset,
                                              {.message_id = request.header.message_id.value})) {
      return fail(NtStatus::kAccessDenied);
    }
    request.signature_verified = true;
  } else if (security && security->signing_required) {
    return fail(NtStatus::kAccessDenied);
  }
  return {};
}

// Keys and flags of a session whose user is known now.
SessionSecurity make_security(Request& request, const SessionSetupRequest& setup,
                              const auth::AuthStep& step, ByteView preauth_hash) {
  const Negotiated& negotiated = request.connection->negotiated;
  const auto settings = request.server.settings.server();
  SessionSecurity security;
  security.dialect = negotiated.dialect;
  security.cipher = negotiated.cipher;
  security.user = step.identity;
  security.logged_on_at = request.server.logons.clock.now();
  security.method = step.method;
  security.machine = step.machine;
  security.client = request.connection->peer_host();
  security.session_key = step.session_key;
  security.full_session_key = step.full_session_key;
  security.has_session_key = !step.identity->is_anonymous && !step.identity->is_guest;
  if (!security.has_session_key) return security;

  auto keys =
      crypto::derive_session_keys(static_cast<uint16_t>(negotiated.dialect), negotiated.cipher,
                                  step.session_key, step.full_session_key, preauth_hash);
  crypto::WorkCounters* const counters = &request.server.logons.crypto_work;
  security.signing_secret = keys.signing;
  security.signing_key =
      std::make_unique<crypto::SigningKey>(negotiated.signing_algorithm, keys.signing, counters);
  if (negotiated.cipher != crypto::Cipher::kNone) {
    security.encryption_key =
        std::make_unique<crypto::CipherKey>(negotiated.cipher, keys.server_to_client, counters);
    security.decryption_key =
        std::make_unique<crypto::CipherKey>(negotiated.cipher, keys.client_to_server, counters);
    security.encryption_secret = std::move(keys.server_to_client);
    security.decryption_secret = std::move(keys.client_to_server);
  }
  security.encrypt_data =
      security.encryption_key && settings->encryption != config::Encryption::kOff;
  security.signing_required = negotiated.should_sign ||
                              settings->signing == config::Signing::kRequired ||
                              (setup.security_mode & wire::SecurityMode::kSigningRequired) != 0;
  return security;
}

uint16_t session_flags(const SessionSecurity& security) {
  uint16_t flags = 0;
  if (security.user->is_anonymous) flags |= SessionSetupResponse::kFlagIsNull;
  if (security.user->is_guest) flags |= SessionSetupResponse::kFlagIsGuest;
  if (security.encrypt_data) flags |= SessionSetupResponse::kFlagEncryptData;
  return flags;
}

// Whether a logon whose name is no account's may become what `purpose` says.
bool takes_guest(const Server& server, Purpose purpose, const Session& session) {
  if (server.logons.anonymous_sessions) return true;
  if (purpose == Purpose::kReauthenticate) return session.security()->user->is_guest;
  return purpose == Purpose::kNew && server.settings.shares()->lets_guests_in();
}

// Counts one leg, until it is answered.
class LegUnderWay {
 public:
  explicit LegUnderWay(Connection& connection) : connection_(connection) {
    ++connection_.session_setups_under_way;
  }
  ~LegUnderWay() { --connection_.session_setups_under_way; }
  LegUnderWay(const LegUnderWay&) = delete;
  LegUnderWay& operator=(const LegUnderWay&) = delete;

 private:
  Connection& connection_;
};

}  // namespace

Task<Result<Reply>> handle_session_setup(Request& request) {
  Connection& connection = *request.connection;
  Server& server = request.server;
  // A logon is never that long, and is verified and hashed here, on the reactor.
  if (request.message.size() > kFrameMaxUnauthenticated)
    co_return fail(NtStatus::kInvalidParameter);
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto setup, SessionSetupRequest::decode(reader));

  if (server.settings.server()->encryption == config::Encryption::kRequired &&
      connection.negotiated.cipher == crypto::Cipher::kNone) {
    log::info("{}: encryption is required and the client has none", connection.peer_host());
    co_return fail(NtStatus::kAccessDenied);
  }
  if ((setup.flags & SessionSetupRequest::kFlagBinding) && request.header.session_id.value != 0 &&
      !server.logons.session_table.find(request.header.session_id)) {
    co_return std::unexpected(co_await refuse_bind_elsewhere(request));
  }
  BRAID_CO_TRY(auto exchange, find_or_begin(request, setup));
  const LegUnderWay under_way(connection);
  const std::shared_ptr<Session> session = exchange->session;
  request.reply_session_id = session->session_id;
  const Purpose purpose = exchange->purpose;
  if (purpose == Purpose::kReauthenticate) {
    request.channel = connection.find_channel(session->session_id);
    request.session = session;
    BRAID_CO_CHECK(verify_signature(request));
  }
  const bool hashes =
      connection.negotiated.dialect == Dialect::kSmb311 && purpose != Purpose::kReauthenticate;
  if (hashes) exchange->preauth_hash.extend(request.message);

  // Before it is judged: passwords are guessed as fast as that goes.
  std::optional<LogonTurn> logon_turn;
  if (auto claim = exchange->exchange->claim_to_judge(setup.security_buffer)) {
    const std::string account = *claim;
    logon_turn.emplace(request, std::move(*claim));
    if (const auto granted = co_await logon_turn->wait(); !granted) {
      log::info("{}: logon of '{}' was not judged: too many attempts", connection.peer_host(),
                account);
      audit_logon(connection, nullptr, account, NtStatus::kAccountLockedOut);
      if (purpose == Purpose::kNew) {
        server.logons.session_table.remove(session->session_id);
        session->begin_close();
      }
      co_return std::unexpected(granted.error());
    }
  }
  Result<auth::AuthStep> step =
      co_await take_logon_step(request, *exchange->exchange, setup.security_buffer);

  if (!takes_guest(server, purpose, *session)) {
    refuse_guest(step, exchange->exchange->claimed_account());
  }
  if (connection.transport().is_closed() ||
      session->state(server.logons.clock.now()) == SessionState::kClosed) {
    if (purpose == Purpose::kNew) co_await server.logons.close_session(session);
    co_return fail(NtStatus::kUserSessionDeleted);
  }
  if (!step) {
    logon_turn.reset();  // the next may be judged while this one is taken down
    const std::string account = exchange->exchange->claimed_account();
    log::info("{}: logon of '{}' failed: {}", connection.peer_host(), account,
              step.error().message());
    audit_logon(connection, nullptr, account, to_status(step.error()));
    if (purpose == Purpose::kNew) {
      server.logons.session_table.remove(session->session_id);
      session->begin_close();
    } else if (purpose == Purpose::kReauthenticate) {
      // [MS-SMB2] 3.3.5.5.3: whoever fails to prove again who it is loses the session. A
      // failed bind takes nothing from those who have it.
      co_await server.logons.close_session(session, DurableOpens::kClosed);
      co_await connection.reactor().schedule();
    }
    co_return std::unexpected(step.error());
  }

  SessionSetupResponse response;
  response.security_buffer = step->reply_token;
  if (!step->done) {
    if (logon_turn) logon_turn->goes_on();
    Reply reply = reply_with(response, NtStatus::kMoreProcessingRequired);
    // The answer of a compound goes out after its other requests, which may end the exchange.
    if (hashes) {
      request.on_reply_bytes = [exchange](ByteView bytes) { exchange->preauth_hash.extend(bytes); };
    }
    connection.session_setups.insert_or_assign(session->session_id, std::move(exchange));
    co_return reply;
  }

  if (purpose == Purpose::kBind) {
    // The password was right, whatever is said of the bind.
    if (logon_turn) logon_turn->succeeded(step->identity->account_name);
    BRAID_CO_CHECK(add_bound_channel(request, session, *step, exchange->preauth_hash.value()));
    response.session_flags = session_flags(*session->security());
    log::info("{}: {} bound another channel, {} now", connection.peer_host(),
              step->identity->account_name, session->channels().size());
    co_return reply_with(response);
  }
  // A session that is there may go on without a name, as Windows lets it; none begins so.
  if (purpose == Purpose::kNew && step->identity->is_anonymous &&
      !server.logons.anonymous_sessions && !server.settings.shares()->lets_guests_in()) {
    co_await server.logons.close_session(session);
    co_await connection.reactor().schedule();
    co_return fail(NtStatus::kLogonFailure);
  }
  if (logon_turn && step->identity->is_guest) {
    // Nothing was guessed right: who guesses passwords must not get his failures forgotten so.
    logon_turn->goes_on();
  } else if (logon_turn) {
    logon_turn->succeeded(step->identity->account_name);
  }
  // [MS-SMB2] 3.3.5.5.3, Client.Dialect: a client that comes back in another dialect is not the one
  // whose leases and replays are known by its ClientGuid, whatever lies between made it so.
  if (purpose == Purpose::kNew &&
      !server.logons.client_table.admit_session(connection, user_id_of(*step->identity))) {
    log::info("{}: {} comes in {} while his other connections speak another dialect, refused",
              connection.peer_host(), step->identity->account_name,
              name_of(connection.negotiated.dialect));
    co_await server.logons.close_session(session);
    co_await connection.reactor().schedule();
    co_return fail(NtStatus::kUserSessionDeleted);
  }
  Principal principal = principal_of(step->identity);
  if (purpose == Purpose::kReauthenticate) {
    BRAID_CO_CHECK(
        session->reauthenticate(std::move(principal), step->expires_at, server.logons.clock.now()));
    response.session_flags = session_flags(*session->security());
    co_return reply_with(response);
  }

  auto security = make_security(request, setup, *step, exchange->preauth_hash.value());
  if (server.settings.server()->encryption == config::Encryption::kRequired &&
      !security.encrypt_data) {
    co_await server.logons.close_session(session);
    co_return fail(NtStatus::kAccessDenied);
  }
  response.session_flags = session_flags(security);
  session->become_valid(std::move(security), std::move(principal), step->expires_at);
  auto channel = std::make_shared<Channel>();
  channel->session = session;
  channel->connection = connection.weak_from_this();
  channel->memory = std::move(exchange->memory);
  channel->memory.shrink_to(kSessionSize);
  if (session->security()->signing_key) {
    channel->signing_key =
        std::shared_ptr<const crypto::SigningKey>(session, session->security()->signing_key.get());
  }
  if (!session->add_channel(channel) || !connection.add_channel(channel)) {
    co_await server.logons.close_session(session);
    co_return fail(NtStatus::kInsufficientResources);
  }
  request.session = session;
  request.channel = channel;
  request.reply_signing_key = channel->signing_key;
  connection.session_became_valid(*session);
  if (step->identity->is_guest) {
    log::info("{}: '{}' logged on as a guest, {}, neither signed nor encrypted",
              connection.peer_host(), exchange->exchange->claimed_account(),
              name_of(connection.negotiated.dialect));
  } else {
    log::info("{}: {} logged on, {}{}", connection.peer_host(),
              step->identity->is_anonymous ? "anonymous" : step->identity->account_name,
              name_of(connection.negotiated.dialect),
              session->security()->encrypt_data ? ", encrypted" : "");
  }
  audit_logon(connection, session.get(), {}, NtStatus::kSuccess);
  // The same client after a lost connection. Guests are all the same user, and none may end what
  // is another's.
  if (const SessionId previous = setup.previous_session_id; session->security()->has_session_key &&
                                                            previous.value != 0 &&
                                                            previous != session->session_id) {
    const auto ended = co_await server.logons.previous_sessions->end(
        previous, session->principal().identity, connection.reactor());
    if (!ended) {
      co_await server.logons.close_session(session);
      co_await connection.reactor().schedule();
      co_return std::unexpected(ended.error());
    }
  }
  co_return reply_with(response);
}

}  // namespace braid::smb2
