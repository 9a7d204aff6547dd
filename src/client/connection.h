// Connection: the client's end of one transport connection.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "client/compression.h"
#include "client/exchange.h"
#include "client/options.h"
#include "client/request.h"
#include "crypto/key_derivation.h"
#include "crypto/sealing.h"
#include "crypto/signing.h"
#include "runtime/task_scope.h"
#include "transport/transport.h"
#include "wire/smb2/negotiate.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/rdma_transform.h"

namespace braid::client {

// Both directions' ciphers of a session; its channels share them, and with them the nonces.
struct SessionCiphers {
  SessionCiphers(crypto::Cipher cipher, const crypto::SessionKeys& keys)
      : client_to_server(cipher, keys.client_to_server),
        server_to_client(cipher, keys.server_to_client) {}

  crypto::CipherKey client_to_server;
  crypto::CipherKey server_to_client;
};

// What a connection needs to know of a session to protect its messages. Changed by Session when it
// is authenticated; a missing key means the message goes and comes without.
struct ChannelKeys {
  SessionId session_id;
  std::optional<crypto::SigningKey> signing;
  std::shared_ptr<const SessionCiphers> ciphers;
};

// A break as it came: which connection it came on is part of what tests look at.
struct BreakEvent {
  wire::Header header;
  wire::BreakNotification notification;
};

// [MS-SMB2] 3.2.1.2 "Per SMB2 Transport Connection". Many requests may be in flight; each is
// matched by its message id. Held by std::shared_ptr. Thread: its reactor's, for everything.
// Life: close() ends it and joins what it runs; await that before the reactor stops.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Connects by TCP and negotiates.
  static Task<Result<std::shared_ptr<Connection>>> connect(Reactor& reactor,
                                                           transport::SocketAddress server,
                                                           ConnectionOptions options = {});
  // Connects by TCP only: for tests that negotiate in their own way.
  static Task<Result<std::shared_ptr<Connection>>> open(Reactor& reactor,
                                                        transport::SocketAddress server,
                                                        ConnectionOptions options = {});
  // On a transport made by somebody else. REQUIRES: the transport's reactor is current.
  static std::shared_ptr<Connection> over(transport::TransportPtr transport,
                                          ConnectionOptions options = {});
  ~Connection();

  // NEGOTIATE with the options. The error is the status if the server refuses.
  Task<Result<void>> negotiate();
  // Ends the transport; every exchange in flight fails. Continues when nothing runs any more.
  Task<void> close();
  bool is_closed() const { return transport_->is_closed(); }
  // The peer does not answer any more: every exchange in flight fails, and what was sent must not
  // reach the peer later. close() is still needed.
  void abandon() { transport_->abort(); }

  // Sends one request when there are credits for it. Fails only if the connection is gone. `keys`
  // are those of the channel the request is for; null sends without protection.
  Task<Result<ExchangePtr>> start(Request request, std::shared_ptr<const ChannelKeys> keys = {});
  // Sends several requests as one message. The caller sets kRelatedOperations where it wants it.
  Task<Result<std::vector<ExchangePtr>>> start_compound(
      std::vector<Request> requests, std::shared_ptr<const ChannelKeys> keys = {});
  // Sends and waits for the final response. Data of READ and WRITE goes past the messages where the
  // transport can do that (ConnectionOptions::placed_from).
  Task<Result<Response>> call(Request request, std::shared_ptr<const ChannelKeys> keys = {});
  Task<Result<void>> echo();
  // Sends CANCEL; the answer comes as the exchange's final response.
  void cancel(const Exchange& exchange, std::shared_ptr<const ChannelKeys> keys = {});

  // For tests that play a broken client. Any message, framed, as it is; any bytes, not even framed;
  // and the response to a request that was sent in one of these ways.
  void send_message(Bytes message);
  void send_raw(Bytes stream);
  ExchangePtr expect(MessageId message_id, wire::Command command);
  // Continues when the connection has ended, with the reason receive() gave.
  Task<Error> ended();

  // Oplock and lease breaks. With a handler each is given to it, on the reactor's thread; without
  // one they are kept, in order, for next_break() and take_breaks().
  void set_break_handler(std::function<void(const BreakEvent&)> handler);
  // The oldest break kept, or the next to come. ETIMEDOUT after `timeout`. One caller at a time.
  Task<Result<BreakEvent>> next_break(std::chrono::nanoseconds timeout = std::chrono::seconds(10));
  std::deque<BreakEvent> take_breaks() { return std::exchange(breaks_, {}); }

  // What was negotiated.
  wire::Dialect dialect() const { return dialect_; }
  uint32_t capabilities() const { return capabilities_; }  // the server's
  uint16_t server_security_mode() const { return server_security_mode_; }
  uint32_t max_transact_size() const { return max_transact_size_; }
  uint32_t max_read_size() const { return max_read_size_; }
  uint32_t max_write_size() const { return max_write_size_; }
  Guid server_guid() const { return server_guid_; }
  crypto::Cipher cipher() const { return cipher_; }
  crypto::SigningAlgorithm signing_algorithm() const { return signing_algorithm_; }
  ByteView server_security_token() const { return security_token_; }
  bool posix_extensions() const { return posix_extensions_; }
  const Compression& compression() const { return compression_; }
  // How data is protected that goes past the messages.
  const wire::RdmaTransforms& rdma_transforms() const { return rdma_transforms_; }
  // Requests whose data went or came past the messages, and those of them with protected data.
  uint64_t placed() const { return placed_; }
  uint64_t placed_protected() const { return placed_protected_; }
  // Messages that went and came compressed.
  uint64_t compressed_sent() const { return compressed_sent_; }
  uint64_t compressed_received() const { return compressed_received_; }
  bool supports_large_mtu() const {
    return dialect_ >= wire::Dialect::kSmb210 &&
           (capabilities_ & wire::Capabilities::kLargeMtu) != 0;
  }
  const crypto::PreauthHash& preauth_hash() const { return preauth_hash_; }
  const ConnectionOptions& options() const { return options_; }

  // Credits the client holds now, and the message id its next request will have.
  uint32_t credits() const { return credits_; }
  MessageId next_message_id() const { return next_message_id_; }
  void set_next_message_id(MessageId id) { next_message_id_ = id; }

  Reactor& reactor() const { return transport_->reactor(); }
  transport::Transport& transport() { return *transport_; }
  // All that came, whatever it was: a peer that sends is alive.
  uint64_t messages_received() const { return messages_received_; }
  // Messages that fit no exchange, could not be decrypted or were signed wrongly.
  uint64_t bad_messages() const { return bad_messages_; }

  // Session announces its keys here so that responses can be checked and decrypted.
  void add_keys(std::shared_ptr<const ChannelKeys> keys);
  void remove_keys(SessionId session_id);

 private:
  struct CreditWaiter {
    uint32_t charge;
    bool* granted;
    std::coroutine_handle<> handle;
  };
  struct CreditAwaiter;

  Connection(transport::TransportPtr transport, ConnectionOptions options);
  static Task<void> receive_loop(std::shared_ptr<Connection> self);
  void take_message(Buffer message);
  void take_response(Response response);
  void take_break(const Response& response);
  // Decrypts in place. False if it cannot be.
  bool decrypt(Buffer& message);
  bool is_acceptable(const Exchange& exchange, Response& response);
  void adopt(const wire::NegotiateResponse& response);
  void fail_everything(Error why);

  uint16_t charge_of(const Request& request) const;
  // Waits until `charge` credits are there and takes them. Fails with
  // STATUS_INSUFFICIENT_RESOURCES if there are too few and no response is due that could bring
  // more.
  Task<Result<void>> take_credits(uint32_t charge);
  void resume_credit_waiters();
  // Whether something is on its way that could bring credits.
  bool is_response_due() const { return !in_flight_.empty() || granted_ > 0; }
  friend class Placement;
  // Of data that a signing key of this connection signs beside messages: never the same twice.
  crypto::GmacNonce next_data_nonce() {
    return crypto::gmac_nonce({.message_id = data_signed_++, .is_data = true});
  }
  // Gives the request its ids and what it asks for in credits.
  ExchangePtr place(Request& request);
  void protect_and_send(std::vector<Request> requests, const std::vector<ExchangePtr>& exchanges,
                        const std::shared_ptr<const ChannelKeys>& keys);

  const transport::TransportPtr transport_;
  const ConnectionOptions options_;
  TaskScope tasks_;

  wire::Dialect dialect_ = wire::Dialect::kNone;
  uint32_t capabilities_ = 0;
  uint16_t server_security_mode_ = 0;
  uint32_t max_transact_size_ = 65'536;
  uint32_t max_read_size_ = 65'536;
  uint32_t max_write_size_ = 65'536;
  Guid server_guid_;
  crypto::Cipher cipher_ = crypto::Cipher::kNone;
  crypto::SigningAlgorithm signing_algorithm_ = crypto::SigningAlgorithm::kHmacSha256;
  Bytes security_token_;
  bool posix_extensions_ = false;
  Compression compression_;
  wire::RdmaTransforms rdma_transforms_;
  uint64_t placed_ = 0;
  uint64_t placed_protected_ = 0;
  uint64_t data_signed_ = 0;
  uint64_t compressed_sent_ = 0;
  uint64_t compressed_received_ = 0;
  crypto::PreauthHash preauth_hash_;

  uint32_t credits_ = 1;
  MessageId next_message_id_;
  std::deque<CreditWaiter> credit_waiters_;
  size_t granted_ = 0;  // waiters that have their credits and are about to send
  std::unordered_map<MessageId, ExchangePtr> in_flight_;
  std::unordered_map<SessionId, std::shared_ptr<const ChannelKeys>> keys_;
  std::function<void(const BreakEvent&)> break_handler_;
  std::deque<BreakEvent> breaks_;
  std::shared_ptr<OneShot<Result<void>>> break_waiter_;
  std::optional<Error> error_;
  OneShot<Error> ended_;
  uint64_t messages_received_ = 0;
  uint64_t bad_messages_ = 0;
};

using ConnectionPtr = std::shared_ptr<Connection>;

}  // namespace braid::client
