// Session: an authenticated user, on one connection or more.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/initiators.h"
#include "client/connection.h"
#include "wire/smb2/session_setup.h"
#include "wire/smb2/tree_connect.h"

namespace braid::client {

class Tree;

// Where a request goes that may go anywhere.
inline constexpr size_t kAnyChannel = SIZE_MAX;

// Takes over the requests of a session that name no channel: ChannelSet does. Declared here so that
// trees and files need not know of it. Thread: the session's.
class RequestRouter {
 public:
  virtual ~RequestRouter() = default;
  // The final response, from whichever channel gave it in the end.
  virtual Task<Result<Response>> call(Request request, bool encrypt) = 0;
  // The channel for a request whose exchange the caller keeps; it is lost with that channel.
  virtual size_t choose() = 0;
  virtual uint16_t channel_sequence() const = 0;
};

// [MS-SMB2] 3.2.1.3 "Per Session". Its channels are the connections it may be used on; every
// request goes out on one of them: the one the caller names, or the router's choice, or the first.
// Held by std::shared_ptr. Thread: the reactor's of its connections, which all share one.
class Session : public std::enable_shared_from_this<Session> {
 public:
  using InitiatorPtr = std::unique_ptr<auth::AuthInitiator>;

  // Logs on. The error is the status of the SESSION_SETUP that failed.
  static Task<Result<std::shared_ptr<Session>>> setup(ConnectionPtr connection,
                                                      InitiatorPtr initiator,
                                                      SessionOptions options = {});
  // Authenticates again in the same session; the keys stay. [MS-SMB2] 3.2.4.2.3.1.
  Task<Result<void>> reauthenticate(InitiatorPtr initiator, size_t channel = 0);
  // Adds a channel: SESSION_SETUP with SMB2_SESSION_FLAG_BINDING on another connection.
  // [MS-SMB2] 3.2.4.2.3 "Authenticating the User".
  Task<Result<void>> bind(ConnectionPtr connection, InitiatorPtr initiator);
  Task<Result<void>> logoff();

  // `share` is the share's name; the path sent is \\server\share with the connection's peer.
  Task<Result<std::shared_ptr<Tree>>> tree_connect(std::string_view share);
  Task<Result<std::shared_ptr<Tree>>> tree_connect(wire::TreeConnectRequest request);

  // Sends in this session: fills in the session id and protects as `request.protect` says.
  // `encrypt` is what the tree connect wants.
  Task<Result<ExchangePtr>> start(Request request, size_t channel = kAnyChannel,
                                  bool encrypt = false);
  Task<Result<std::vector<ExchangePtr>>> start_compound(std::vector<Request> requests,
                                                        size_t channel = kAnyChannel,
                                                        bool encrypt = false);
  Task<Result<Response>> call(Request request, size_t channel = kAnyChannel, bool encrypt = false);
  void cancel(const Exchange& exchange, size_t channel = 0);

  SessionId id() const { return id_; }
  uint16_t flags() const { return flags_; }  // SessionSetupResponse::kFlag...
  bool is_guest() const { return (flags_ & wire::SessionSetupResponse::kFlagIsGuest) != 0; }
  bool is_null() const { return (flags_ & wire::SessionSetupResponse::kFlagIsNull) != 0; }
  size_t channel_count() const { return channels_.size(); }
  Connection& connection(size_t channel = 0) const { return *channels_[channel].connection; }
  // Where the connection stands among the channels; nothing if it is none.
  std::optional<size_t> channel_of(const Connection& connection) const;
  // Drops the channel from the list; its connection stays as it is.
  void remove_channel(size_t channel);

  // Null: none. REQUIRES that it outlives the requests it was given.
  void set_router(std::shared_ptr<RequestRouter> router) { router_ = std::move(router); }
  // Whether requests are sent again when a channel is lost.
  bool is_replaying() const { return router_ != nullptr; }

  void set_security(SessionOptions::Security security) { options_.security = security; }
  const crypto::Secret& session_key() const { return session_key_; }
  const crypto::SessionKeys& keys() const { return keys_; }

 private:
  struct ChannelEntry {
    ConnectionPtr connection;
    std::shared_ptr<ChannelKeys> keys;
  };
  enum class Purpose : uint8_t { kNew, kReauthenticate, kBind };

  explicit Session(SessionOptions options) : options_(options) {}
  Task<Result<void>> authenticate(ConnectionPtr connection, InitiatorPtr initiator,
                                  Purpose purpose);
  Result<void> finish_new(ConnectionPtr connection, const auth::AuthInitiator& initiator,
                          const crypto::PreauthHash& hash, const Response& last);
  Result<void> finish_bind(ConnectionPtr connection, const auth::AuthInitiator& initiator,
                           const crypto::PreauthHash& hash, const Response& last);
  void apply_protection(Request& request, bool encrypt) const;
  ChannelEntry entry_for(size_t channel) const;
  // What every request of the session needs before it goes to its connection.
  void prepare(Request& request, size_t channel, bool encrypt) const;

  SessionOptions options_;
  SessionId id_;
  uint16_t flags_ = 0;
  crypto::Secret session_key_;
  crypto::SessionKeys keys_;
  std::shared_ptr<const SessionCiphers> ciphers_;
  std::vector<ChannelEntry> channels_;
  std::shared_ptr<RequestRouter> router_;
};

using SessionPtr = std::shared_ptr<Session>;

}  // namespace braid::client
