// The client against a server that a test plays message by message.
#include <gtest/gtest.h>

#include "client/compound.h"
#include "client/connection.h"
#include "runtime/reactor.h"
#include "transport/memory_transport.h"
#include "wire/smb2/echo.h"

namespace braid::client {
namespace {

using wire::Command;
using wire::Header;
using wire::HeaderFlags;

// One request as it came.
struct ReceivedMessage {
  Header header;
  Buffer message;
};

class ScriptedServer {
 public:
  explicit ScriptedServer(transport::TransportPtr transport) : transport_(std::move(transport)) {}

  Task<ReceivedMessage> next() {
    auto message = co_await transport_->receive();
    EXPECT_TRUE(message);
    if (!message) co_return ReceivedMessage{};
    wire::Reader reader(message->view());
    auto header = Header::decode(reader);
    EXPECT_TRUE(header);
    co_return ReceivedMessage{header.value_or(Header{}), std::move(*message)};
  }

  static Header answer_to(const Header& request, uint16_t credits = 1) {
    Header header = request;
    header.flags |= HeaderFlags::kServerToRedir;
    header.next_command = 0;
    header.credits = credits;
    return header;
  }
  template <class Body>
  static Bytes encode(const Header& header, const Body& body) {
    Bytes message;
    wire::Writer writer(message);
    header.encode(writer);
    body.encode(writer);
    return message;
  }
  void send(Bytes message) { transport_->send({.head = std::move(message), .parts = {}}); }
  void echo(const Header& request, uint16_t credits = 1) {
    send(encode(answer_to(request, credits), wire::EchoResponse{}));
  }
  transport::Transport& transport() { return *transport_; }

 private:
  transport::TransportPtr transport_;
};

struct Pair {
  ConnectionPtr client;
  ScriptedServer server;
};

Task<void> run_body(Task<void> (*body)(Pair&), Reactor& reactor) {
  auto [near, far] = transport::make_memory_transports(reactor, reactor);
  ConnectionOptions options;
  options.response_timeout = std::chrono::seconds(5);
  Pair pair{Connection::over(near, options), ScriptedServer(far)};
  co_await body(pair);
  co_await pair.client->close();
  reactor.stop();
}

void run(Task<void> (*body)(Pair&)) {
  Reactor reactor;
  TaskScope scope;
  reactor.post([&] { scope.spawn(run_body(body, reactor)); });
  reactor.run();
}

Request echo() { return make_request(Command::kEcho, wire::EchoRequest{}); }

Task<void> matches_out_of_order(Pair& pair) {
  const auto first = co_await pair.client->start(echo());
  const auto one = co_await pair.server.next();
  pair.server.echo(one.header, 3);
  EXPECT_TRUE(co_await (*first)->response());

  const auto second = co_await pair.client->start(echo());
  const auto third = co_await pair.client->start(echo());
  const auto two = co_await pair.server.next();
  const auto three = co_await pair.server.next();
  EXPECT_EQ(two.header.message_id, MessageId{1});
  EXPECT_EQ(three.header.message_id, MessageId{2});
  pair.server.echo(three.header);
  EXPECT_TRUE(co_await (*third)->response());
  EXPECT_FALSE((*second)->is_done());
  pair.server.echo(two.header);
  EXPECT_TRUE(co_await (*second)->response());
  EXPECT_EQ(pair.client->bad_messages(), 0u);
}
TEST(Connection, ResponsesAreMatchedInAnyOrder) { run(matches_out_of_order); }

Task<void> call_echo(ConnectionPtr client, int& done) {
  if (co_await client->echo()) ++done;
}

Task<void> waits_for_credits(Pair& pair) {
  int done = 0;
  TaskScope scope;
  for (int i = 0; i < 3; ++i) scope.spawn(call_echo(pair.client, done));
  EXPECT_EQ(pair.client->credits(), 0u);
  // One credit was there; each answer brings the next.
  for (uint64_t i = 0; i < 3; ++i) {
    const auto request = co_await pair.server.next();
    EXPECT_EQ(request.header.message_id, MessageId{i});
    EXPECT_GT(request.header.credits, 1u);
    pair.server.echo(request.header);
  }
  co_await scope.join();
  EXPECT_EQ(done, 3);
  EXPECT_EQ(pair.client->credits(), 1u);
}
TEST(Connection, RequestsWaitForCredits) { run(waits_for_credits); }

Task<void> no_credits_ever(Pair& pair) {
  const auto first = co_await pair.client->start(echo());
  const auto request = co_await pair.server.next();
  int done = 0;
  TaskScope scope;
  scope.spawn(call_echo(pair.client, done));
  pair.server.echo(request.header, 0);
  EXPECT_TRUE(co_await (*first)->response());
  co_await scope.join();
  EXPECT_EQ(done, 0);
  EXPECT_EQ((co_await pair.client->start(echo())).error(), Error(NtStatus::kInsufficientResources));
}
TEST(Connection, WithoutCreditsToComeRequestsFail) { run(no_credits_ever); }

Task<void> interim(Pair& pair) {
  const auto exchange = co_await pair.client->start(echo());
  const auto request = co_await pair.server.next();
  Header pending = ScriptedServer::answer_to(request.header, 5);
  pending.flags |= HeaderFlags::kAsyncCommand;
  pending.async_id = AsyncId{77};
  pending.status = NtStatus::kPending;
  pair.server.send(ScriptedServer::encode(pending, wire::ErrorResponse{}));
  EXPECT_EQ(co_await (*exchange)->interim(), AsyncId{77});
  EXPECT_EQ(pair.client->credits(), 5u);

  pair.client->cancel(**exchange);
  const auto cancel = co_await pair.server.next();
  EXPECT_EQ(cancel.header.command, Command::kCancel);
  EXPECT_EQ(cancel.header.message_id, request.header.message_id);
  EXPECT_TRUE(cancel.header.is_async());
  EXPECT_EQ(cancel.header.async_id, AsyncId{77});

  Header cancelled = pending;
  cancelled.credits = 0;
  cancelled.status = NtStatus::kCancelled;
  pair.server.send(ScriptedServer::encode(cancelled, wire::ErrorResponse{}));
  const auto response = co_await (*exchange)->response();
  EXPECT_TRUE(response && response->status() == NtStatus::kCancelled);
}
TEST(Connection, InterimResponseAndCancel) { run(interim); }

Task<void> breaks(Pair& pair) {
  Header header;
  header.command = Command::kOplockBreak;
  header.flags = HeaderFlags::kServerToRedir;
  header.message_id = MessageId{~uint64_t{0}};
  wire::OplockBreakNotification notification;
  notification.file_id = {1, 2};
  pair.server.send(ScriptedServer::encode(header, notification));
  const auto event = co_await pair.client->next_break();
  EXPECT_TRUE(event);
  if (event) {
    EXPECT_EQ(std::get<wire::OplockBreakNotification>(event->notification), notification);
  }
  EXPECT_EQ(pair.client->credits(), 1u);
  EXPECT_EQ((co_await pair.client->next_break(std::chrono::milliseconds(1))).error(),
            Error::os(ETIMEDOUT));
}
TEST(Connection, BreaksAreKeptUntilAskedFor) { run(breaks); }

Task<void> ends(Pair& pair) {
  const auto exchange = co_await pair.client->start(echo());
  int done = 0;
  TaskScope scope;
  scope.spawn(call_echo(pair.client, done));
  pair.server.transport().close();
  EXPECT_FALSE(co_await (*exchange)->response());
  co_await scope.join();
  EXPECT_EQ(done, 0);
  EXPECT_EQ(co_await pair.client->ended(), Error(NtStatus::kConnectionDisconnected));
}
TEST(Connection, EndFailsWhatWaits) { run(ends); }

Task<void> times_out(Pair& pair) {
  ConnectionOptions options;
  options.response_timeout = std::chrono::milliseconds(1);
  auto [near, far] =
      transport::make_memory_transports(pair.client->reactor(), pair.client->reactor());
  const auto hasty = Connection::over(near, options);
  EXPECT_EQ((co_await hasty->echo()).error(), Error::os(ETIMEDOUT));
  co_await hasty->close();
}
TEST(Connection, LateResponseIsATimeOut) { run(times_out); }

std::shared_ptr<ChannelKeys> make_keys(uint8_t fill, bool with_ciphers) {
  auto keys = std::make_shared<ChannelKeys>();
  keys->session_id = SessionId{9};
  keys->signing.emplace(crypto::SigningAlgorithm::kAesCmac, crypto::Secret(Bytes(16, fill)));
  if (with_ciphers) {
    crypto::SessionKeys both;
    both.client_to_server = crypto::Secret(Bytes(16, 1));
    both.server_to_client = crypto::Secret(Bytes(16, 1));
    keys->ciphers = std::make_shared<SessionCiphers>(crypto::Cipher::kAes128Gcm, both);
  }
  return keys;
}

// Signs as a server would.
Bytes signed_echo(const Header& request, const ChannelKeys& keys) {
  Header header = ScriptedServer::answer_to(request, 10);
  header.flags |= HeaderFlags::kSigned;
  Bytes message = ScriptedServer::encode(header, wire::EchoResponse{});
  keys.signing->sign_in_place(message, {}, Header::kSignatureOffset,
                              {.message_id = header.message_id.value, .from_server = true});
  return message;
}

Task<void> signatures(Pair& pair) {
  const auto keys = make_keys(1, false);
  const auto wrong = make_keys(2, false);
  pair.client->add_keys(keys);
  const auto send = [&]() -> Task<Result<ExchangePtr>> {
    Request request = echo();
    request.protect = Protect::kSign;
    return pair.client->start(std::move(request), keys);
  };
  const auto good = co_await send();
  auto request = co_await pair.server.next();
  EXPECT_TRUE(keys->signing->verify(request.message.view(), Header::kSignatureOffset,
                                    {.message_id = request.header.message_id.value}));
  pair.server.send(signed_echo(request.header, *keys));
  const auto response = co_await (*good)->response();
  EXPECT_TRUE(response && response->was_verified);

  const auto forged = co_await send();
  request = co_await pair.server.next();
  pair.server.send(signed_echo(request.header, *wrong));
  EXPECT_EQ((co_await (*forged)->response()).error(), Error(NtStatus::kInvalidSignature));

  const auto naked = co_await send();
  request = co_await pair.server.next();
  Header header = request.header;
  header.flags = 0;
  pair.server.echo(header);
  EXPECT_EQ((co_await (*naked)->response()).error(), Error(NtStatus::kInvalidSignature));
  EXPECT_EQ(pair.client->bad_messages(), 2u);
}
TEST(Connection, WrongAndMissingSignaturesAreRefused) { run(signatures); }

Task<void> encryption(Pair& pair) {
  const auto keys = make_keys(1, true);
  pair.client->add_keys(keys);
  Request request = echo();
  request.protect = Protect::kEncrypt;
  const auto exchange = co_await pair.client->start(std::move(request), keys);
  auto sealed = co_await pair.server.transport().receive();
  EXPECT_TRUE(sealed && wire::protocol_id_of(sealed->view()) == wire::ProtocolId::kTransform);
  // A plain answer to an encrypted request is none.
  Header header;
  header.command = Command::kEcho;
  header.flags = HeaderFlags::kServerToRedir;
  header.message_id = (*exchange)->message_id();
  pair.server.echo(header);
  EXPECT_EQ((co_await (*exchange)->response()).error(), Error(NtStatus::kInvalidSignature));
  // Garbage in an envelope is counted and skipped.
  if (sealed) pair.server.send(Bytes(sealed->view().begin(), sealed->view().end()));
  if (sealed) {
    Bytes damaged(sealed->view().begin(), sealed->view().end());
    damaged.back() ^= 1;
    pair.server.send(std::move(damaged));
  }
  pair.server.send(Bytes{0xFD, 'S', 'M', 'B', 0});
  const auto again = co_await pair.client->start(echo());
  const auto plain = co_await pair.server.next();
  pair.server.echo(plain.header);
  EXPECT_TRUE(co_await (*again)->response());
  EXPECT_EQ(pair.client->bad_messages(), 4u);
}
TEST(Connection, PlainAnswerToAnEncryptedRequestIsRefused) { run(encryption); }

Task<void> compound_layout(Pair& pair) {
  const auto first = co_await pair.client->start(echo());
  const auto grant = co_await pair.server.next();
  pair.server.echo(grant.header, 10);
  EXPECT_TRUE(co_await (*first)->response());

  std::vector<Request> requests;
  requests.push_back(echo());
  requests.push_back(echo());
  requests.back().header.flags |= HeaderFlags::kRelatedOperations;
  const auto exchanges = co_await pair.client->start_compound(std::move(requests));
  const auto received = co_await pair.server.next();
  EXPECT_EQ(received.header.next_command, 72u);  // 64 + 4, to the next multiple of 8
  EXPECT_EQ(received.message.size(), 72u + 68u);

  // Answers of a compound come as one message here.
  Header one = ScriptedServer::answer_to(received.header);
  one.next_command = 72;
  Bytes message = ScriptedServer::encode(one, wire::EchoResponse{});
  message.resize(72);
  Header two = ScriptedServer::answer_to(received.header);
  two.message_id = MessageId{2};
  const Bytes second = ScriptedServer::encode(two, wire::EchoResponse{});
  message.insert(message.end(), second.begin(), second.end());
  pair.server.send(std::move(message));
  for (const auto& exchange : *exchanges) EXPECT_TRUE(co_await exchange->response());
}
TEST(Connection, CompoundIsOneMessage) { run(compound_layout); }

}  // namespace
}  // namespace braid::client
