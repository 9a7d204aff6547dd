// A session on several channels against a server that a test plays. The server speaks 3.0.2, whose
// keys follow from the session key alone, and takes everybody.
#include "client/channel_set.h"

#include <gtest/gtest.h>

#include "client/file.h"
#include "transport/memory_transport.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/network_interface_info.h"

namespace braid::client {
namespace {

using namespace std::chrono_literals;
using wire::Command;
using wire::Header;
using wire::HeaderFlags;

const Bytes kSessionKey(16, 0x42);
constexpr uint16_t kDialect = 0x0302;

// Says nothing and has a key.
class FixedInitiator final : public auth::AuthInitiator {
 public:
  Result<Step> step(ByteView) override { return Step{.done = true, .token = {}}; }
  crypto::Secret session_key() const override { return crypto::Secret(kSessionKey); }
  crypto::Secret full_session_key() const override { return session_key(); }
};

Session::InitiatorPtr initiator() { return std::make_unique<FixedInitiator>(); }

// A request that is the test's to answer.
struct Received {
  size_t channel = 0;
  Header header;
  Bytes message;

  template <class Body>
  Body body() const {
    wire::Reader reader(message, Header::kSize);
    auto decoded = Body::decode(reader);
    EXPECT_TRUE(decoded);
    return decoded.value_or(Body{});
  }
};

class FakeServer {
 public:
  explicit FakeServer(Reactor& reactor) : reactor_(reactor), arrived_(reactor) {}

  // The client's end of a new connection.
  transport::TransportPtr accept() {
    auto [near, far] = transport::make_memory_transports(reactor_, reactor_);
    ends_.push_back(far);
    tasks_.spawn(serve(ends_.size() - 1));
    return near;
  }
  Task<void> stop() {
    for (const auto& end : ends_) end->close();
    co_await tasks_.join();
  }

  // The next request that is neither NEGOTIATE, SESSION_SETUP nor, where it answers, ECHO.
  Task<Received> next() {
    for (int i = 0; received_.empty() && i < 100; ++i) co_await arrived_.wait(100ms);
    EXPECT_FALSE(received_.empty());
    if (received_.empty()) co_return Received{};
    const Received first = received_.front();
    received_.pop_front();
    co_return first;
  }
  void answer(const Received& request, NtStatus status = NtStatus::kSuccess) {
    Header header = request.header;
    header.flags = HeaderFlags::kServerToRedir;
    header.status = status;
    header.credits = 10;
    if (status == NtStatus::kSuccess && header.command == Command::kWrite) {
      send(request.channel, header, wire::WriteResponse{.count = 1});
    } else if (status == NtStatus::kSuccess && header.command == Command::kCreate) {
      wire::CreateResponse body;
      body.file_id = {1, 1};
      send(request.channel, header, body);
    } else if (status == NtStatus::kSuccess) {
      send(request.channel, header, wire::EchoResponse{});  // nothing but a size
    } else {
      send(request.channel, header, wire::ErrorResponse{});
    }
  }
  template <class Body>
  void answer(const Received& request, const Body& body) {
    Header header = request.header;
    header.flags = HeaderFlags::kServerToRedir;
    header.credits = 10;
    send(request.channel, header, body);
  }
  template <class Body>
  void send(size_t channel, const Header& header, const Body& body) {
    ends_[channel]->send({.head = encode(header, body), .parts = {}});
  }
  void cut(size_t channel) { ends_[channel]->close(); }

  bool answers_echo = true;
  bool knows_session = true;
  size_t connections() const { return ends_.size(); }

 private:
  template <class Body>
  static Bytes encode(const Header& header, const Body& body) {
    Bytes message;
    wire::Writer writer(message, 0);
    header.encode(writer);
    body.encode(writer);
    return message;
  }

  Task<void> serve(size_t channel) {
    for (;;) {
      auto message = co_await ends_[channel]->receive();
      if (!message) co_return;
      wire::Reader reader(message->view());
      const auto header = Header::decode(reader);
      if (!header) co_return;
      const Received request{channel, *header,
                             Bytes(message->view().begin(), message->view().end())};
      switch (header->command) {
        case Command::kNegotiate:
          negotiate(request);
          break;
        case Command::kSessionSetup:
          set_up(request, request.body<wire::SessionSetupRequest>().flags);
          break;
        case Command::kEcho:
          if (answers_echo) answer(request);
          break;
        default:
          received_.push_back(request);
          arrived_.ring();
      }
    }
  }
  void negotiate(const Received& request) {
    Header header = request.header;
    header.flags = HeaderFlags::kServerToRedir;
    header.credits = 10;
    wire::NegotiateResponse body;
    body.dialect_revision = wire::Dialect::kSmb302;
    body.capabilities = wire::Capabilities::kMultiChannel | wire::Capabilities::kLargeMtu;
    body.max_transact_size = body.max_read_size = body.max_write_size = 1 << 20;
    send(request.channel, header, body);
  }
  void set_up(const Received& request, uint8_t flags) {
    Header header = request.header;
    header.flags = HeaderFlags::kServerToRedir;
    header.credits = 100;
    header.session_id = SessionId{5};
    if ((flags & wire::SessionSetupRequest::kFlagBinding) == 0) {
      return send(request.channel, header, wire::SessionSetupResponse{});
    }
    if (!knows_session) return answer(request, NtStatus::kUserSessionDeleted);
    header.flags |= HeaderFlags::kSigned;
    Bytes message = encode(header, wire::SessionSetupResponse{});
    const crypto::SigningKey key(
        crypto::SigningAlgorithm::kAesCmac,
        crypto::derive_signing_key(kDialect, crypto::Secret(kSessionKey), {}));
    key.sign_in_place(message, {}, Header::kSignatureOffset,
                      {.message_id = header.message_id.value, .from_server = true});
    ends_[request.channel]->send({.head = std::move(message), .parts = {}});
  }

  Reactor& reactor_;
  std::vector<transport::TransportPtr> ends_;
  std::deque<Received> received_;
  Bell arrived_;
  TaskScope tasks_;
};

struct Fixture {
  FakeServer server;
  SessionPtr session;
  ChannelSetPtr set;
  TaskScope tasks;
  std::vector<Result<Response>> results;

  // Sends in the background; the result comes to `results`.
  void begin(Request request) { tasks.spawn(call(std::move(request))); }
  Task<void> call(Request request) {
    results.push_back(co_await session->call(std::move(request)));
  }
};

Request write_request(size_t size = 100) {
  wire::WriteRequest body;
  const Bytes data(size, 0x11);
  body.data = data;
  return make_request(Command::kWrite, body, size);
}

Task<void> run_body(Task<void> (*body)(Fixture&), Reactor& reactor) {
  {
    Fixture fixture{
        .server = FakeServer(reactor), .session = {}, .set = {}, .tasks = {}, .results = {}};
    FakeServer* const server = &fixture.server;
    ConnectionOptions options;
    options.dialects = {wire::Dialect::kSmb302};
    const auto first = Connection::over(server->accept(), options);
    EXPECT_TRUE(co_await first->negotiate());
    auto session = co_await Session::setup(first, initiator(),
                                           {.security = SessionOptions::Security::kAsServerWants});
    EXPECT_TRUE(session);
    fixture.session = *session;
    ChannelSetOptions channels;
    channels.make_initiator = initiator;
    // The first connection's transport has no address.
    channels.addresses = {first->transport().peer(),
                          *transport::SocketAddress::parse("10.0.0.1", 445)};
    channels.connect = [server](transport::SocketAddress) -> Task<Result<transport::TransportPtr>> {
      co_return server->accept();
    };
    channels.rebind_delay_min = 1ms;
    channels.probe_after = 20ms;
    channels.probe_timeout = 50ms;
    channels.replay_limit = 5s;
    auto set = co_await ChannelSet::start(*session, channels);
    EXPECT_TRUE(set);
    fixture.set = *set;
    EXPECT_EQ(fixture.set->live_count(), 2u);
    co_await body(fixture);
    co_await fixture.set->close();
    co_await fixture.tasks.join();
    co_await fixture.server.stop();
  }
  reactor.stop();
}

void run(Task<void> (*body)(Fixture&)) {
  Reactor reactor;
  TaskScope scope;
  reactor.post([&] { scope.spawn(run_body(body, reactor)); });
  reactor.run();
}

// Answers the client's question for the server's addresses.
Task<void> offer(FakeServer& server, std::vector<uint8_t> hosts) {
  wire::NetworkInterfaceInfoResponse list;
  for (const uint8_t host : hosts) {
    wire::NetworkInterfaceInfo info;
    info.if_index = host;
    info.link_speed = 1'000'000'000;
    info.address = {10, 0, 0, host};
    list.interfaces.push_back(info);
  }
  Bytes output;
  wire::Writer writer(output);
  list.encode(writer);
  const Received connect = co_await server.next();
  EXPECT_EQ(connect.header.command, Command::kTreeConnect);
  server.answer(connect, wire::TreeConnectResponse{});
  const Received question = co_await server.next();
  EXPECT_EQ(question.header.command, Command::kIoctl);
  wire::IoctlResponse answer;
  answer.ctl_code = wire::Fsctl::kQueryNetworkInterfaceInfo;
  answer.output = output;
  server.answer(question, answer);
  server.answer(co_await server.next());  // TREE_DISCONNECT
}

struct Discovery {
  FakeServer server;
  bool is_reachable = true;  // the second address
  ChannelSetPtr set;
};
Task<void> start_discovering(Discovery& discovery, SessionPtr session) {
  ChannelSetOptions channels;
  channels.make_initiator = initiator;
  channels.policy.count = 2;
  channels.connect =
      [&discovery](transport::SocketAddress to) -> Task<Result<transport::TransportPtr>> {
    if (to == *transport::SocketAddress::parse("10.0.0.2", 0) && !discovery.is_reachable) {
      co_return fail_os(EHOSTUNREACH);
    }
    co_return discovery.server.accept();
  };
  channels.rebind_delay_min = channels.rebind_delay_max = 1ms;
  channels.refresh_soon = 2ms;
  auto set = co_await ChannelSet::start(std::move(session), channels);
  EXPECT_TRUE(set);
  if (set) discovery.set = *set;
}

// A server that is asked while a link is down does not offer its address.
Task<void> lose_and_find_an_address(Reactor& reactor) {
  {
    Discovery discovery{.server = FakeServer(reactor), .set = {}};
    FakeServer& server = discovery.server;
    ConnectionOptions options;
    options.dialects = {wire::Dialect::kSmb302};
    const auto first = Connection::over(server.accept(), options);
    EXPECT_TRUE(co_await first->negotiate());
    const auto session = co_await Session::setup(
        first, initiator(), {.security = SessionOptions::Security::kAsServerWants});
    TaskScope tasks;
    tasks.spawn(start_discovering(discovery, *session));
    co_await offer(server, {1, 2});
    co_await tasks.join();
    EXPECT_TRUE(co_await discovery.set->wait_for_channels(2, 5s));

    discovery.is_reachable = false;
    server.cut(server.connections() - 1);
    server.cut(server.connections() - 2);
    co_await offer(server, {1});
    // Asked again, since there were two; a question that fails takes nothing away.
    server.answer(co_await server.next(), NtStatus::kInsufficientResources);
    discovery.is_reachable = true;
    co_await offer(server, {1, 2});
    EXPECT_TRUE(co_await discovery.set->wait_for_channels(2, 5s));
    co_await discovery.set->close();
    co_await server.stop();
  }
  reactor.stop();
}
TEST(ChannelSet, AddressThatCameBackIsFoundSoon) {
  Reactor reactor;
  TaskScope scope;
  reactor.post([&] { scope.spawn(lose_and_find_an_address(reactor)); });
  reactor.run();
}

Task<void> goes_to_the_emptiest(Fixture& fixture) {
  fixture.begin(write_request(50'000));
  const Received large = co_await fixture.server.next();
  for (int i = 0; i < 3; ++i) {
    fixture.begin(write_request(100));
    EXPECT_NE((co_await fixture.server.next()).channel, large.channel);
  }
}
TEST(ChannelSet, RequestsGoWhereTheFewestBytesAreInFlight) { run(goes_to_the_emptiest); }

Task<void> replays(Fixture& fixture) {
  fixture.begin(write_request());
  const Received first = co_await fixture.server.next();
  EXPECT_FALSE(first.header.is_replay());
  EXPECT_EQ(first.header.channel_sequence, 0u);
  fixture.server.cut(first.channel);
  const Received second = co_await fixture.server.next();
  EXPECT_NE(second.channel, first.channel);
  EXPECT_TRUE(second.header.is_replay());
  EXPECT_EQ(second.header.channel_sequence, 1u);
  fixture.server.answer(second);
  co_await fixture.tasks.join();
  EXPECT_TRUE(fixture.results[0] && fixture.results[0]->was_replayed);
  // And another channel came in place of the lost one.
  EXPECT_TRUE(co_await fixture.set->wait_for_channels(2, 5s));
  EXPECT_EQ(fixture.server.connections(), 3u);
}
TEST(ChannelSet, LostChannelsRequestsAreReplayedOnAnother) { run(replays); }

Task<void> no_replay(Fixture& fixture) {
  Request request = write_request();
  request.may_be_replayed = false;
  fixture.begin(std::move(request));
  fixture.server.cut((co_await fixture.server.next()).channel);
  co_await fixture.tasks.join();
  EXPECT_FALSE(fixture.results[0]);
}
TEST(ChannelSet, WhatMustNotBeDoneTwiceFailsWithItsChannel) { run(no_replay); }

Task<void> waits(Fixture& fixture) {
  fixture.begin(write_request());
  fixture.server.answer(co_await fixture.server.next(), NtStatus::kFileNotAvailable);
  const Received again = co_await fixture.server.next();
  EXPECT_TRUE(again.header.is_replay());
  fixture.server.answer(again, NtStatus::kFileNotAvailable);
  fixture.server.answer(co_await fixture.server.next());
  co_await fixture.tasks.join();
  EXPECT_TRUE(fixture.results[0] && fixture.results[0]->status() == NtStatus::kSuccess);
  EXPECT_EQ(fixture.set->replays(), 2u);
}
TEST(ChannelSet, FileNotAvailableIsTriedAgain) { run(waits); }

Task<void> use_file(Fixture& fixture, std::vector<std::string>& outcomes) {
  const auto note = [&](const auto& result) {
    outcomes.push_back(result ? "ok" : result.error().message());
  };
  const auto tree = std::make_shared<Tree>(fixture.session, TreeId{1}, wire::TreeConnectResponse{});
  const auto file = co_await tree->open("file");
  note(file);
  if (!file) co_return;
  const std::vector<wire::LockElement> range = {
      {.offset = 0, .length = 1, .flags = wire::LockFlags::kExclusiveLock}};
  note(co_await (*file)->lock(range));
  note(co_await (*file)->lock(range));
  note(co_await (*file)->close());
}

// A CREATE is known again by its guid, a LOCK by its sequence, a CLOSE by what it finds.
Task<void> known_again(Fixture& fixture) {
  std::vector<std::string> outcomes;
  FakeServer& server = fixture.server;
  fixture.tasks.spawn(use_file(fixture, outcomes));
  const Received create = co_await server.next();
  server.cut(create.channel);
  const Received create_again = co_await server.next();
  EXPECT_TRUE(create_again.header.is_replay());
  const auto guid = [](const Received& request) {
    const auto body = request.body<wire::CreateRequest>();
    const auto& durable = body.contexts.durable_handle_request_v2;
    return durable ? durable->create_guid : CreateGuid{};
  };
  EXPECT_FALSE(guid(create).is_zero());
  EXPECT_EQ(guid(create), guid(create_again));
  server.answer(create_again);

  EXPECT_TRUE(co_await fixture.set->wait_for_channels(2, 5s));
  const Received lock = co_await server.next();
  server.cut(lock.channel);
  const Received lock_again = co_await server.next();
  const auto first = lock.body<wire::LockRequest>();
  const auto second = lock_again.body<wire::LockRequest>();
  EXPECT_EQ(first.lock_sequence_index, 1u);
  EXPECT_EQ(second.lock_sequence_index, 1u);
  EXPECT_EQ(first.lock_sequence_number, second.lock_sequence_number);
  server.answer(lock_again);
  const Received next_lock = co_await server.next();
  EXPECT_EQ(next_lock.body<wire::LockRequest>().lock_sequence_index, 1u);
  EXPECT_EQ(next_lock.body<wire::LockRequest>().lock_sequence_number,
            first.lock_sequence_number + 1);
  server.answer(next_lock);

  EXPECT_TRUE(co_await fixture.set->wait_for_channels(2, 5s));
  server.cut((co_await server.next()).channel);
  server.answer(co_await server.next(), NtStatus::kFileClosed);
  co_await fixture.tasks.join();
  EXPECT_EQ(outcomes, (std::vector<std::string>{"ok", "ok", "ok", "ok"}));
}
TEST(ChannelSet, CreateLockAndCloseAreKnownAgain) { run(known_again); }

Task<void> silence(Fixture& fixture) {
  fixture.server.answers_echo = false;
  fixture.begin(write_request());
  const Received first = co_await fixture.server.next();
  // The channel stays silent, and so do all: sooner or later the request comes on a new one.
  const Received second = co_await fixture.server.next();
  EXPECT_NE(second.channel, first.channel);
  EXPECT_TRUE(second.header.is_replay());
  fixture.server.answers_echo = true;
  fixture.server.answer(second);
}
TEST(ChannelSet, SilentChannelIsLost) { run(silence); }

Task<void> slow(Fixture& fixture) {
  fixture.begin(write_request());
  const Received first = co_await fixture.server.next();
  co_await fixture.set->wait_for_channels(3, 300ms);  // never: lets time pass
  EXPECT_EQ(fixture.set->live_count(), 2u);
  fixture.server.answer(first);
  co_await fixture.tasks.join();
  EXPECT_EQ(fixture.set->replays(), 0u);
}
TEST(ChannelSet, SlowAnswerIsNoLossWhileEchoIsAnswered) { run(slow); }

Task<void> break_once(Fixture& fixture) {
  std::vector<BreakEvent> seen;
  fixture.set->set_break_handler([&](const BreakEvent& event) { seen.push_back(event); });
  Header header;
  header.command = Command::kOplockBreak;
  header.flags = HeaderFlags::kServerToRedir;
  header.message_id = MessageId{~uint64_t{0}};
  wire::LeaseBreakNotification notification;
  notification.lease_key.bytes[0] = 1;
  notification.new_epoch = 2;
  fixture.server.send(0, header, notification);
  fixture.server.send(1, header, notification);
  notification.new_epoch = 3;
  fixture.server.send(1, header, notification);
  co_await fixture.set->wait_for_channels(3, 50ms);
  EXPECT_EQ(seen.size(), 2u);
}
TEST(ChannelSet, BreakSentOnTwoChannelsIsOne) { run(break_once); }

Task<void> end_of_session(Fixture& fixture) {
  fixture.begin(write_request());
  co_await fixture.server.next();
  fixture.server.knows_session = false;
  fixture.server.cut(0);
  fixture.server.cut(1);
  co_await fixture.tasks.join();
  EXPECT_EQ(fixture.results[0].error(), Error(NtStatus::kUserSessionDeleted));
}
TEST(ChannelSet, RequestsFailWhenTheSessionIsGone) { run(end_of_session); }

}  // namespace
}  // namespace braid::client
