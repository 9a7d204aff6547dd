#include "client/connection.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "client/placement.h"
#include "transport/limits.h"
#include "transport/tcp_transport.h"
#include "wire/smb2/cancel.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/transform_header.h"

namespace braid::client {

namespace {

constexpr MessageId kUnsolicited{~uint64_t{0}};

// Bytes one credit pays for. [MS-SMB2] 3.1.5.2 "Calculating the CreditCharge".
constexpr uint64_t kBytesPerCredit = 65'536;

// A server that has lost the session cannot sign what it says about it.
bool may_come_unprotected(NtStatus status) {
  return status == NtStatus::kUserSessionDeleted || status == NtStatus::kNetworkSessionExpired;
}

}  // namespace

Connection::Connection(transport::TransportPtr transport, ConnectionOptions options)
    : transport_(std::move(transport)), options_(std::move(options)) {
  transport_->set_receive_limit(transport::kFrameSizeMax);
}

Connection::~Connection() { transport_->close(); }

ConnectionPtr Connection::over(transport::TransportPtr transport, ConnectionOptions options) {
  if (options.client_guid.is_zero()) crypto::random_bytes(options.client_guid.bytes);
  ConnectionPtr connection(new Connection(std::move(transport), std::move(options)));
  connection->tasks_.spawn(receive_loop(connection));
  return connection;
}

Task<Result<ConnectionPtr>> Connection::open(Reactor& reactor, transport::SocketAddress server,
                                             ConnectionOptions options) {
  BRAID_CO_TRY(auto transport, co_await transport::connect_tcp(reactor, server));
  co_return over(std::move(transport), std::move(options));
}

Task<Result<ConnectionPtr>> Connection::connect(Reactor& reactor, transport::SocketAddress server,
                                                ConnectionOptions options) {
  BRAID_CO_TRY(auto connection, co_await open(reactor, server, std::move(options)));
  const Result<void> negotiated = co_await connection->negotiate();
  if (!negotiated) {
    co_await connection->close();
    co_return fail(negotiated.error());
  }
  co_return std::move(connection);
}

Task<void> Connection::close() {
  const auto self = shared_from_this();
  transport_->close();
  co_await tasks_.join();
}

Task<Error> Connection::ended() {
  const auto self = shared_from_this();
  co_return co_await ended_.wait(reactor());
}

Task<void> Connection::receive_loop(ConnectionPtr self) {
  for (;;) {
    auto message = co_await self->transport_->receive();
    if (!message) {
      self->fail_everything(message.error());
      break;
    }
    self->take_message(std::move(*message));
  }
  // This may be the last reference, and the scope this task runs in belongs to the connection.
  self->reactor().post([self] {});
}

void Connection::fail_everything(Error why) {
  error_ = why;
  for (auto& [id, exchange] : std::exchange(in_flight_, {})) exchange->finish(fail(why));
  resume_credit_waiters();
  if (break_waiter_) break_waiter_->set(fail(why));
  ended_.set(why);
}

bool Connection::decrypt(Buffer& message) {
  wire::Reader reader(message.view());
  const auto header = wire::TransformHeader::decode(reader);
  if (!header) return false;
  const auto keys = keys_.find(header->session_id);
  if (keys == keys_.end() || !keys->second->ciphers) return false;
  const MutableByteView whole = message.view();
  const MutableByteView sealed = whole.subspan(wire::TransformHeader::kSize);
  if (sealed.size() != header->original_message_size) return false;
  const ByteView aad = ByteView(whole).subspan(
      wire::TransformHeader::kAuthenticatedOffset,
      wire::TransformHeader::kSize - wire::TransformHeader::kAuthenticatedOffset);
  return keys->second->ciphers->server_to_client.open(header->nonce, aad, sealed, header->signature)
      .has_value();
}

void Connection::take_message(Buffer message) {
  ++messages_received_;
  size_t start = 0;
  if (wire::protocol_id_of(message.view()) == wire::ProtocolId::kTransform) {
    if (!decrypt(message)) {
      ++bad_messages_;
      return;
    }
    start = wire::TransformHeader::kSize;
  }
  const bool was_encrypted = start != 0;
  if (const ByteView sent = message.view().subspan(start);
      wire::protocol_id_of(sent) == wire::ProtocolId::kCompressionTransform) {
    auto decompressed = decompress(sent, compression_, transport::kFrameSizeMax);
    if (!decompressed) {
      ++bad_messages_;
      return;
    }
    ++compressed_received_;
    message = *std::move(decompressed);
    start = 0;
  }
  const auto owner = std::make_shared<const Buffer>(std::move(message));
  ByteView rest = owner->view().subspan(start);
  for (;;) {
    wire::Reader reader(rest);
    const auto header = wire::Header::decode(reader);
    if (!header || !header->is_response() || header->next_command > rest.size()) {
      ++bad_messages_;
      return;
    }
    const size_t size = header->next_command == 0 ? rest.size() : header->next_command;
    take_response({.header = *header,
                   .message = rest.first(size),
                   .owner = owner,
                   .was_encrypted = was_encrypted});
    if (header->next_command == 0) return;
    rest = rest.subspan(size);
  }
}

void Connection::take_response(Response response) {
  if (response.header.message_id == kUnsolicited) return take_break(response);
  credits_ += response.header.credits;
  const auto found = in_flight_.find(response.header.message_id);
  if (found == in_flight_.end() || found->second->command() != response.header.command) {
    ++bad_messages_;
  } else if (response.header.status == NtStatus::kPending && response.header.is_async()) {
    found->second->set_interim(response.header.async_id);
  } else {
    const ExchangePtr exchange = std::move(found->second);
    in_flight_.erase(found);
    if (is_acceptable(*exchange, response)) {
      exchange->finish(std::move(response));
    } else {
      ++bad_messages_;
      exchange->finish(fail(NtStatus::kInvalidSignature));
    }
  }
  resume_credit_waiters();
}

// [MS-SMB2] 3.2.5.1.3 "Verifying the Signature".
bool Connection::is_acceptable(const Exchange& exchange, Response& response) {
  if (response.was_encrypted) return true;
  if (exchange.expects_encryption_) return may_come_unprotected(response.status());
  if (!exchange.expects_signature_) return true;
  response.was_verified =
      response.header.is_signed() &&
      exchange.keys_->signing->verify(
          response.message, wire::Header::kSignatureOffset,
          {.message_id = response.header.message_id.value, .from_server = true});
  return response.was_verified || may_come_unprotected(response.status());
}

void Connection::take_break(const Response& response) {
  wire::Reader reader(response.message, wire::Header::kSize);
  auto notification = wire::decode_break_notification(reader);
  if (response.header.command != wire::Command::kOplockBreak || !notification) {
    ++bad_messages_;
    return;
  }
  BreakEvent event{response.header, std::move(*notification)};
  if (break_handler_) {
    break_handler_(event);
  } else {
    breaks_.push_back(std::move(event));
    if (break_waiter_) break_waiter_->set({});
  }
}

Task<Result<BreakEvent>> Connection::next_break(std::chrono::nanoseconds timeout) {
  const auto self = shared_from_this();
  if (breaks_.empty()) {
    if (error_) co_return fail(*error_);
    const auto waiter = std::make_shared<OneShot<Result<void>>>();
    break_waiter_ = waiter;
    Timer timer(reactor());
    timer.start(timeout, [waiter] { waiter->set(fail_os(ETIMEDOUT)); });
    const Result<void> waited = co_await waiter->wait(reactor());
    break_waiter_ = nullptr;
    BRAID_CO_CHECK(waited);
  }
  BreakEvent event = std::move(breaks_.front());
  breaks_.pop_front();
  co_return std::move(event);
}

void Connection::set_break_handler(std::function<void(const BreakEvent&)> handler) {
  break_handler_ = std::move(handler);
}

uint16_t Connection::charge_of(const Request& request) const {
  if (request.credit_charge) return std::max<uint16_t>(*request.credit_charge, 1);
  if (!supports_large_mtu() || request.payload_size == 0) return 1;
  return static_cast<uint16_t>((request.payload_size - 1) / kBytesPerCredit + 1);
}

struct Connection::CreditAwaiter {
  Connection& connection;
  uint32_t charge;
  bool granted = false;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    connection.credit_waiters_.push_back({charge, &granted, handle});
  }
  bool await_resume() const noexcept { return granted; }
};

Task<Result<void>> Connection::take_credits(uint32_t charge) {
  if (error_) co_return fail(*error_);
  if (credit_waiters_.empty() && credits_ >= charge) {
    credits_ -= charge;
    co_return Result<void>{};
  }
  if (is_response_due() && co_await CreditAwaiter{*this, charge}) {
    --granted_;
    co_return Result<void>{};
  }
  co_return fail(error_.value_or(NtStatus::kInsufficientResources));
}

void Connection::resume_credit_waiters() {
  while (!credit_waiters_.empty()) {
    CreditWaiter& first = credit_waiters_.front();
    const bool granted = !error_ && credits_ >= first.charge;
    if (!granted && !error_ && is_response_due()) return;
    *first.granted = granted;
    if (granted) {
      credits_ -= first.charge;
      ++granted_;
    }
    reactor().post([handle = first.handle] { handle.resume(); });
    credit_waiters_.pop_front();
  }
}

ExchangePtr Connection::place(Request& request) {
  const uint16_t charge = charge_of(request);
  wire::Header& header = request.header;
  header.message_id = request.message_id.value_or(next_message_id_);
  if (!request.message_id) next_message_id_.value += charge;
  header.credit_charge = request.credit_charge.value_or(supports_large_mtu() ? charge : 0);
  const uint32_t missing =
      options_.credits_wanted - std::min<uint32_t>(credits_, options_.credits_wanted);
  header.credits =
      request.credits.value_or(static_cast<uint16_t>(std::min<uint32_t>(charge + missing, 0xFFFF)));
  if (request.session_id) header.session_id = *request.session_id;
  if (request.tree_id) header.tree_id = *request.tree_id;
  return expect(header.message_id, header.command);
}

ExchangePtr Connection::expect(MessageId message_id, wire::Command command) {
  auto exchange =
      std::make_shared<Exchange>(reactor(), options_.response_timeout, message_id, command);
  if (error_) {
    exchange->finish(fail(*error_));
  } else {
    in_flight_.insert_or_assign(message_id, exchange);
  }
  return exchange;
}

Task<Result<ExchangePtr>> Connection::start(Request request,
                                            std::shared_ptr<const ChannelKeys> keys) {
  std::vector<Request> requests;
  requests.push_back(std::move(request));
  BRAID_CO_TRY(auto exchanges, co_await start_compound(std::move(requests), std::move(keys)));
  co_return std::move(exchanges.front());
}

Task<Result<std::vector<ExchangePtr>>> Connection::start_compound(
    std::vector<Request> requests, std::shared_ptr<const ChannelKeys> keys) {
  const auto self = shared_from_this();
  uint32_t charge = 0;
  for (const Request& request : requests) {
    // A message id of the caller's choice is outside the window that credits count.
    if (!request.message_id) charge += charge_of(request);
  }
  BRAID_CO_CHECK(co_await take_credits(charge));
  std::vector<ExchangePtr> exchanges;
  for (Request& request : requests) exchanges.push_back(place(request));
  protect_and_send(std::move(requests), exchanges, keys);
  co_return std::move(exchanges);
}

Task<Result<Response>> Connection::call(Request request, std::shared_ptr<const ChannelKeys> keys) {
  const auto placement = Placement::make(*this, request, keys);
  if (placement) {
    ++placed_;
    if (placement->is_protected()) ++placed_protected_;
  }
  BRAID_CO_TRY(const ExchangePtr exchange, co_await start(std::move(request), std::move(keys)));
  auto response = co_await exchange->response();
  co_return placement ? placement->finish(std::move(response)) : std::move(response);
}

Task<Result<void>> Connection::echo() {
  BRAID_CO_TRY(const Response response,
               co_await call(make_request(wire::Command::kEcho, wire::EchoRequest{})));
  if (response.status() != NtStatus::kSuccess) co_return fail(response.status());
  co_return Result<void>{};
}

// [MS-SMB2] 3.2.4.24 "Application Requests Canceling an Operation". CANCEL takes no credit and gets
// no response.
void Connection::cancel(const Exchange& exchange, std::shared_ptr<const ChannelKeys> keys) {
  Request request = make_request(wire::Command::kCancel, wire::CancelRequest{});
  request.header.message_id = exchange.message_id();
  if (exchange.async_id()) {
    request.header.flags |= wire::HeaderFlags::kAsyncCommand;
    request.header.async_id = *exchange.async_id();
  }
  if (keys) {
    request.header.session_id = keys->session_id;
    if (keys->signing) request.protect = Protect::kSign;
    if (exchange.expects_encryption_) request.protect = Protect::kEncrypt;
  }
  std::vector<Request> requests;
  requests.push_back(std::move(request));
  protect_and_send(std::move(requests), {}, keys);
}

void Connection::send_message(Bytes message) {
  transport_->send({.head = std::move(message), .parts = {}});
}

void Connection::send_raw(Bytes stream) {
  transport_->send({.head = std::move(stream), .parts = {}, .framing = transport::Framing::kNone});
}

void Connection::add_keys(std::shared_ptr<const ChannelKeys> keys) {
  keys_.insert_or_assign(keys->session_id, std::move(keys));
}

void Connection::remove_keys(SessionId session_id) { keys_.erase(session_id); }

}  // namespace braid::client
