#include "client/session.h"

#include <algorithm>
#include <utility>

#include "client/tree.h"
#include "wire/smb2/logoff.h"

namespace braid::client {

namespace {

// The longest series any mechanism needs, with room.
constexpr int kLegsMax = 10;

bool verify(const crypto::SigningKey& key, const Response& response) {
  return response.header.is_signed() &&
         key.verify(response.message, wire::Header::kSignatureOffset,
                    {.message_id = response.header.message_id.value, .from_server = true});
}

}  // namespace

Task<Result<SessionPtr>> Session::setup(ConnectionPtr connection, InitiatorPtr initiator,
                                        SessionOptions options) {
  if (options.security == SessionOptions::Security::kEncrypt &&
      connection->cipher() == crypto::Cipher::kNone) {
    co_return fail(NtStatus::kNotSupported);
  }
  SessionPtr session(new Session(options));
  BRAID_CO_CHECK(
      co_await session->authenticate(std::move(connection), std::move(initiator), Purpose::kNew));
  co_return std::move(session);
}

Task<Result<void>> Session::reauthenticate(InitiatorPtr initiator, size_t channel) {
  return authenticate(channels_[channel].connection, std::move(initiator),
                      Purpose::kReauthenticate);
}

Task<Result<void>> Session::bind(ConnectionPtr connection, InitiatorPtr initiator) {
  return authenticate(std::move(connection), std::move(initiator), Purpose::kBind);
}

// [MS-SMB2] 3.2.4.2.3 "Authenticating the User" and 3.2.5.3 "Receiving an SMB2 SESSION_SETUP
// Response".
Task<Result<void>> Session::authenticate(ConnectionPtr connection, InitiatorPtr initiator,
                                         Purpose purpose) {
  const auto self = shared_from_this();
  std::shared_ptr<const ChannelKeys> keys;
  if (purpose == Purpose::kReauthenticate) {
    const auto entry = std::ranges::find(channels_, connection, &ChannelEntry::connection);
    keys = entry->keys;
  } else if (purpose == Purpose::kBind) {
    // Until the channel has its own key, the session's key signs, with the new connection's
    // algorithm.
    auto session_keys = std::make_shared<ChannelKeys>();
    session_keys->session_id = id_;
    session_keys->signing.emplace(connection->signing_algorithm(), keys_.signing);
    keys = std::move(session_keys);
  }

  crypto::PreauthHash hash = connection->preauth_hash();
  BRAID_CO_TRY(auto step, initiator->step(connection->server_security_token()));
  for (int leg = 0; leg < kLegsMax; ++leg) {
    wire::SessionSetupRequest body;
    body.flags = purpose == Purpose::kBind ? wire::SessionSetupRequest::kFlagBinding : 0;
    body.security_mode = options_.security_mode;
    body.capabilities = options_.capabilities;
    body.previous_session_id = options_.previous_session_id;
    body.security_buffer = step.token;
    Request request = make_request(wire::Command::kSessionSetup, body);
    request.header.session_id = id_;
    if (purpose == Purpose::kBind) request.protect = Protect::kSign;
    if (purpose == Purpose::kReauthenticate) apply_protection(request, false);

    BRAID_CO_TRY(const ExchangePtr exchange, co_await connection->start(std::move(request), keys));
    hash.extend(exchange->sent());
    BRAID_CO_TRY(const auto reply, co_await exchange->reply<wire::SessionSetupResponse>());
    const Response& response = reply.response;
    if (purpose == Purpose::kNew) id_ = response.header.session_id;

    const bool more = response.status() == NtStatus::kMoreProcessingRequired;
    if (more) {
      hash.extend(response.message);
      if (step.done) co_return fail(Error::malformed());
    }
    if (!step.done) {
      BRAID_CO_TRY(step, initiator->step(reply->security_buffer));
    }
    if (more) continue;

    if (!step.done) co_return fail(Error::malformed());
    switch (purpose) {
      case Purpose::kNew:
        flags_ = reply->session_flags;
        co_return finish_new(connection, *initiator, hash, response);
      case Purpose::kBind:
        co_return finish_bind(connection, *initiator, hash, response);
      case Purpose::kReauthenticate:
        if (!response.was_encrypted && keys->signing && !verify(*keys->signing, response)) {
          co_return fail(NtStatus::kInvalidSignature);
        }
        co_return Result<void>{};
    }
  }
  co_return fail(Error::malformed());
}

Result<void> Session::finish_new(ConnectionPtr connection, const auth::AuthInitiator& initiator,
                                 const crypto::PreauthHash& hash, const Response& last) {
  auto channel = std::make_shared<ChannelKeys>();
  channel->session_id = id_;
  session_key_ = initiator.session_key();
  // Neither a guest nor an anonymous user has a key that nobody else knows.
  if (!is_guest() && !is_null() && !session_key_.empty()) {
    keys_ = crypto::derive_session_keys(static_cast<uint16_t>(connection->dialect()),
                                        connection->cipher(), session_key_,
                                        initiator.full_session_key(), hash.value());
    channel->signing.emplace(connection->signing_algorithm(), keys_.signing);
    const bool must_be_signed = connection->dialect() == wire::Dialect::kSmb311;
    if ((must_be_signed || last.header.is_signed()) && !verify(*channel->signing, last)) {
      return fail(NtStatus::kInvalidSignature);
    }
    if (connection->cipher() != crypto::Cipher::kNone) {
      ciphers_ = std::make_shared<const SessionCiphers>(connection->cipher(), keys_);
      channel->ciphers = ciphers_;
    }
  }
  connection->add_keys(channel);
  channels_.push_back({std::move(connection), std::move(channel)});
  return {};
}

// [MS-SMB2] 3.2.5.3.3 "Handling Session Binding".
Result<void> Session::finish_bind(ConnectionPtr connection, const auth::AuthInitiator& initiator,
                                  const crypto::PreauthHash& hash, const Response& last) {
  auto channel = std::make_shared<ChannelKeys>();
  channel->session_id = id_;
  channel->ciphers = ciphers_;
  channel->signing.emplace(connection->signing_algorithm(),
                           crypto::derive_signing_key(static_cast<uint16_t>(connection->dialect()),
                                                      initiator.session_key(), hash.value()));
  if (!verify(*channel->signing, last)) return fail(NtStatus::kInvalidSignature);
  connection->add_keys(channel);
  channels_.push_back({std::move(connection), std::move(channel)});
  return {};
}

void Session::apply_protection(Request& request, bool encrypt) const {
  if (request.protect != Protect::kDefault) return;
  using Security = SessionOptions::Security;
  const Connection& first = connection();
  const bool server_requires =
      (first.server_security_mode() & wire::SecurityMode::kSigningRequired) != 0;
  if (encrypt || options_.security == Security::kEncrypt ||
      (flags_ & wire::SessionSetupResponse::kFlagEncryptData) != 0) {
    request.protect = Protect::kEncrypt;
  } else if (options_.security == Security::kSign || server_requires) {
    request.protect = Protect::kSign;
  } else {
    request.protect = Protect::kNothing;
  }
}

Session::ChannelEntry Session::entry_for(size_t channel) const {
  if (channel != kAnyChannel) return channels_[channel];
  return channels_[router_ ? router_->choose() : 0];
}

void Session::prepare(Request& request, size_t channel, bool encrypt) const {
  request.header.session_id = id_;
  if (channel == kAnyChannel && router_) {
    request.header.channel_sequence = router_->channel_sequence();
  }
  apply_protection(request, encrypt);
}

Task<Result<std::vector<ExchangePtr>>> Session::start_compound(std::vector<Request> requests,
                                                               size_t channel, bool encrypt) {
  const ChannelEntry entry = entry_for(channel);
  for (Request& request : requests) prepare(request, channel, encrypt);
  return entry.connection->start_compound(std::move(requests), entry.keys);
}

Task<Result<ExchangePtr>> Session::start(Request request, size_t channel, bool encrypt) {
  const ChannelEntry entry = entry_for(channel);
  prepare(request, channel, encrypt);
  return entry.connection->start(std::move(request), entry.keys);
}

Task<Result<Response>> Session::call(Request request, size_t channel, bool encrypt) {
  if (channel == kAnyChannel && router_) return router_->call(std::move(request), encrypt);
  const ChannelEntry entry = entry_for(channel);
  prepare(request, channel, encrypt);
  return entry.connection->call(std::move(request), entry.keys);
}

std::optional<size_t> Session::channel_of(const Connection& connection) const {
  for (size_t i = 0; i < channels_.size(); ++i) {
    if (channels_[i].connection.get() == &connection) return i;
  }
  return std::nullopt;
}

void Session::cancel(const Exchange& exchange, size_t channel) {
  const ChannelEntry& entry = channels_[channel];
  entry.connection->cancel(exchange, entry.keys);
}

void Session::remove_channel(size_t channel) {
  channels_[channel].connection->remove_keys(id_);
  channels_.erase(channels_.begin() + static_cast<ptrdiff_t>(channel));
}

Task<Result<void>> Session::logoff() {
  const auto self = shared_from_this();
  BRAID_CO_TRY(const Response response,
               co_await call(make_request(wire::Command::kLogoff, wire::LogoffRequest{})));
  if (response.status() != NtStatus::kSuccess) co_return fail(response.status());
  for (const ChannelEntry& entry : channels_) entry.connection->remove_keys(id_);
  co_return Result<void>{};
}

Task<Result<TreePtr>> Session::tree_connect(std::string_view share) {
  std::string server = connection().transport().peer().host();
  if (server.empty()) server = "server";  // not TCP
  wire::TreeConnectRequest request;
  request.path = "\\\\" + server + "\\" + std::string(share);
  return tree_connect(std::move(request));
}

Task<Result<TreePtr>> Session::tree_connect(wire::TreeConnectRequest request) {
  const auto self = shared_from_this();
  Request message = make_request(wire::Command::kTreeConnect, request);
  apply_protection(message, false);
  // [MS-SMB2] 3.2.4.2.4 "Connecting to the Share": 3.1.1 wants this one protected in any case.
  if (connection().dialect() == wire::Dialect::kSmb311 && message.protect == Protect::kNothing) {
    message.protect = Protect::kSign;
  }
  const auto reply = reply_of<wire::TreeConnectResponse>(co_await call(std::move(message)));
  if (!reply) co_return fail(reply.error());
  co_return std::make_shared<Tree>(self, reply->response.header.tree_id, reply->body);
}

}  // namespace braid::client
