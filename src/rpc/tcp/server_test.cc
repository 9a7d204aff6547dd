#include "rpc/tcp/server.h"

#include <atomic>
#include <future>
#include <map>
#include <vector>

#include "base/hex_testing.h"
#include "rpc/epm/tower.h"
#include "rpc/tcp/server_testing.h"
#include "runtime/reactor_testing.h"
#include "runtime/task_scope.h"

namespace braid::rpc::tcp {
namespace {

namespace error = witness::error;
using std::chrono::milliseconds;

// A bind without a logon, of call 1 and context 0.
Bytes plain_bind(const SyntaxId& interface) {
  Bytes body;
  wire::Writer w(body);
  w.u16(4280);
  w.u16(4280);
  w.u32(0);
  w.u32(1);
  w.u16(0);
  w.u16(1);
  interface.encode(w);
  kNdrSyntax.encode(w);
  return SecuredClient::pdu(PduType::kBind, 3, body, 1);
}

Bytes plain_request(uint16_t opnum, ByteView stub) {
  Bytes body;
  wire::Writer w(body);
  w.u32(0);
  w.u16(0);
  w.u16(opnum);
  w.bytes(stub);
  return SecuredClient::pdu(PduType::kRequest, 3, body, 2);
}

// The stub data of impacket's hept_map() for Witness: an object of zeros, and a tower.
constexpr char kMapRequest[] =
    "fdc000000000000000000000000000000000000010ab00004b0000004b000000050013000d74c0d8cce5d0404a92"
    "b4d074faa6ba2801000200010013000d045d888aeb1cc9119fe808002b10486002000200000001000b0200000001"
    "000702000000010009040000000000ab000000000000000000000000000000000000000001000000";
// And of its hept_lookup(), for all.
constexpr char kLookupRequest[] =
    "000000000000000000000000010000000000000000000000000000000000000000000000f4010000";

using EndpointMapper = TcpServerTest;

TEST_F(EndpointMapper, MapSaysWhereWitnessIs) {
  start();
  const TcpClient client = connect(plain_bind(epm_interface().syntax), Port::kEndpointMapper);
  const Bytes ack = client.read();
  EXPECT_EQ(ack.at(2), static_cast<uint8_t>(PduType::kBindAck));
  client.send(plain_request(3, unhex(kMapRequest)));
  const Bytes stub = stub_of(client.read());
  ASSERT_EQ(stub.size(), 20u + 4 + 12 + 4 + 8 + 75 + 1 + 4);
  EXPECT_EQ(result_of(stub), 0u);
  EXPECT_EQ(number_at(stub, 20), 1u);
  const auto tower = epm::Tower::decode(ByteView(stub).subspan(48, 75));
  ASSERT_TRUE(tower);
  EXPECT_EQ(tower->interface, witness_interface().syntax);
  EXPECT_EQ(tower->port, 49'321);
  EXPECT_EQ(tower->address, (std::array<uint8_t, 4>{127, 0, 0, 1}));
}

TEST_F(EndpointMapper, OfAnInterfaceThatIsNotThereItKnowsNothing) {
  start();
  const TcpClient client = connect(plain_bind(epm_interface().syntax), Port::kEndpointMapper);
  (void)client.read();
  for (const size_t at : {40u, 53u}) {  // the UUID, the major version
    Bytes stub = unhex(kMapRequest);
    stub[at] ^= 2;
    client.send(plain_request(3, stub));
    const Bytes answer = stub_of(client.read());
    EXPECT_EQ(result_of(answer), 0x16C9A0D6u) << at;
    EXPECT_EQ(number_at(answer, 20), 0u);
  }
}

TEST_F(EndpointMapper, LookupNamesAllThereIs) {
  start();
  const TcpClient client = connect(plain_bind(epm_interface().syntax), Port::kEndpointMapper);
  (void)client.read();
  client.send(plain_request(2, unhex(kLookupRequest)));
  const Bytes stub = stub_of(client.read());
  EXPECT_EQ(result_of(stub), 0u);
  EXPECT_EQ(number_at(stub, 20), 1u);
  EXPECT_NE(as_text(stub).find("Service Witness Protocol"), std::string_view::npos);
}

TEST_F(EndpointMapper, WhatNobodyGaveOutOrHasNoSenseIsAFault) {
  start();
  const TcpClient client = connect(plain_bind(epm_interface().syntax), Port::kEndpointMapper);
  (void)client.read();
  Bytes with_handle = unhex(kLookupRequest);
  with_handle[20] = 1;
  client.send(plain_request(2, with_handle));
  EXPECT_EQ(fault_of(client.read()), static_cast<uint32_t>(FaultStatus::kContextMismatch));
  Bytes too_many = unhex(kLookupRequest);
  too_many[36] = 0xf5;
  client.send(plain_request(2, too_many));
  EXPECT_EQ(fault_of(client.read()), static_cast<uint32_t>(FaultStatus::kBadStubData));
  Bytes longer = unhex(kMapRequest);
  longer[28] = 0x4c;  // the tower is said to be longer than its array
  client.send(plain_request(3, longer));
  EXPECT_EQ(fault_of(client.read()), static_cast<uint32_t>(FaultStatus::kBadStubData));
  client.send(plain_request(0, {}));
  EXPECT_EQ(fault_of(client.read()), static_cast<uint32_t>(FaultStatus::kOperationRangeError));
}

using TcpServer = TcpServerTest;

TEST_F(TcpServer, ClientOfAnotherVersionIsToldOurs) {
  start();
  Bytes bind = plain_bind(witness_interface().syntax);
  bind[0] = 4;
  const TcpClient client = connect(bind);
  const Bytes nak = client.read();
  ASSERT_EQ(nak.size(), 21u);
  EXPECT_EQ(nak[2], static_cast<uint8_t>(PduType::kBindNak));
  EXPECT_EQ(number_at(nak, 12), 1u);
  EXPECT_EQ(Bytes(nak.begin() + 16, nak.end()), unhex("0400 01 0500"));
  EXPECT_TRUE(client.has_ended());
}

TEST_F(TcpServer, AckNamesThePort) {
  start();
  const TcpClient client = connect(plain_bind(witness_interface().syntax));
  const Bytes ack = client.read();
  ASSERT_GT(ack.size(), 32u);
  const size_t length = ack[24];
  const std::string_view port = as_text(ByteView(ack).subspan(26, length - 1));
  EXPECT_GT(std::stoi(std::string(port)), 1023);
}

// [MS-SWN] 3.1.4: one that is not logged on, and one that proves too little.
TEST_F(TcpServer, WhoProvesNothingIsToldNothing) {
  start();
  const TcpClient stranger = connect(plain_bind(witness_interface().syntax));
  (void)stranger.read();
  stranger.send(plain_request(0, {}));
  EXPECT_EQ(result_of(stub_of(stranger.read())), error::kNotAuthenticated);
  auto [client, security] = logged_on(AuthLevel::kConnect);
  client.send(plain_request(0, {}));
  EXPECT_EQ(result_of(stub_of(client.read())), error::kAccessDenied);
  EXPECT_EQ(host_.known, 1u);
}

TEST_F(TcpServer, AddressThatGoesIsToldToWhoWaits) {
  start();
  auto [client, security] = logged_on(AuthLevel::kIntegrity);
  const Bytes handle = register_client(client, *security);
  client.send(security->request(3, handle, 3, 9));
  // Another call is answered meanwhile, so the first one waits.
  client.send(security->request(0, {}, 3, 10));
  EXPECT_EQ(number_at(client.read(), 12), 10u);
  server_->witness().remove_interface(*witness::IpAddress::parse("192.0.2.1"));
  const Bytes notice = client.read();
  EXPECT_EQ(number_at(notice, 12), 9u);
  const Bytes stub = stub_of(notice);
  EXPECT_EQ(number_at(stub, 4), static_cast<uint32_t>(witness::NoticeType::kResourceChange));
  EXPECT_EQ(result_of(stub), error::kSuccess);
}

TEST_F(TcpServer, RegistrationsEndWithTheirConnection) {
  start();
  {
    auto [client, security] = logged_on(AuthLevel::kIntegrity);
    const Bytes handle = register_client(client, *security);
    client.send(security->request(3, handle));
    wait_until([&] { return server_->witness().entries().front().is_waiting; });
    EXPECT_EQ(host_.places, 1u);
  }
  wait_until([&] { return host_.places == 0; });
  EXPECT_TRUE(server_->witness().entries().empty());
}

// [MS-SWN] 3.1.5: the client asked for a second.
TEST_F(TcpServer, CallIsGivenBackWhenItHasWaitedForLongEnough) {
  start();
  auto [client, security] = logged_on(AuthLevel::kIntegrity);
  const Bytes handle = register_client(client, *security, 1);
  client.send(security->request(3, handle));
  EXPECT_EQ(result_of(stub_of(client.read())), error::kTimeout);
}

TEST_F(TcpServer, SecondCallOfARegistrationIsRefusedAndTheFirstWaitsOn) {
  start();
  auto [client, security] = logged_on(AuthLevel::kIntegrity);
  const Bytes handle = register_client(client, *security);
  client.send(security->request(3, handle, 3, 20));
  client.send(security->request(3, handle, 3, 21));
  const Bytes second = client.read();
  EXPECT_EQ(number_at(second, 12), 21u);
  EXPECT_EQ(result_of(stub_of(second)), error::kNoSystemResources);
  EXPECT_EQ(server_->witness().move_clients("c", "192.0.2.2").value_or(0), 1u);
  EXPECT_EQ(number_at(client.read(), 12), 20u);
}

TEST_F(TcpServer, StrangerIsSentAwayAndWhoLoggedOnStays) {
  start(milliseconds(300));
  const TcpClient stranger = connect(plain_bind(witness_interface().syntax));
  (void)stranger.read();
  auto [client, security] = logged_on(AuthLevel::kIntegrity);
  const Bytes handle = register_client(client, *security);
  EXPECT_TRUE(stranger.has_ended());
  const TcpClient later = connect(plain_bind(witness_interface().syntax));
  (void)later.read();
  EXPECT_TRUE(later.has_ended());
  client.send(security->request(2, handle));
  EXPECT_EQ(result_of(stub_of(client.read())), error::kSuccess);
}

// A peer whose next bytes are there already.
class EndlessStream final : public transport::ByteStream {
 public:
  explicit EndlessStream(Bytes bytes) : bytes_(std::move(bytes)) {}
  Task<Result<Bytes>> receive() override {
    if (is_over_) co_return fail(NtStatus::kConnectionDisconnected);
    co_return bytes_;
  }
  void send(Bytes) override {}
  size_t unsent() const override { return 0; }
  Task<void> writable() override { co_return; }
  Task<void> drained() override { co_return; }
  void close() override { is_over_ = true; }
  bool is_closed() const override { return is_over_; }
  transport::SocketAddress peer() const override { return {}; }
  transport::SocketAddress local() const override { return {}; }

 private:
  const Bytes bytes_;
  std::atomic<bool> is_over_ = false;
};

// The timer is of the reactor that reads: whoever sends without an end does not keep it.
TEST_F(TcpServer, StrangerWhoNeverStopsSendingIsSentAwayToo) {
  const Bytes cancel = SecuredClient::pdu(PduType::kCoCancel, 3, {}, 7);
  Reactor& reactor = reactors_.next();
  const std::vector<epm::Endpoint> endpoints;
  const auto connection = std::make_shared<Connection>(
      Connection::Parts{.reactor = reactor,
                        .host = host_,
                        .place = host_.admit({}),
                        .stream = std::make_shared<EndlessStream>(cancel),
                        .association = {.interface = epm_interface(),
                                        .directory = memory_.directory(),
                                        .authenticator = nullptr,
                                        .endpoints = &endpoints},
                        .stranger_time = milliseconds(10)});
  std::promise<void> over;
  TaskScope scope;
  run_on(reactor, [&] {
    scope.spawn(
        [](std::shared_ptr<Connection> each, Bytes first, std::promise<void>& done) -> Task<void> {
          co_await each->run(std::move(first));
          done.set_value();
        }(connection, plain_bind(epm_interface().syntax), over));
  });
  over.get_future().wait();
  run_on(reactor, [] {});  // behind the end of the coroutine
}

TEST_F(TcpServer, PduThatIsSentAgainEndsTheConnectionAndItsRegistrations) {
  start();
  auto [client, security] = logged_on(AuthLevel::kIntegrity);
  (void)register_client(client, *security);
  const Bytes request = security->request(0, {});
  client.send(request);
  EXPECT_EQ(result_of(stub_of(client.read())), error::kSuccess);
  client.send(request);
  EXPECT_EQ(fault_of(client.read()), static_cast<uint32_t>(FaultStatus::kSecurityPackageError));
  EXPECT_TRUE(client.has_ended());
  wait_until([&] { return host_.places == 0; });
  EXPECT_TRUE(server_->witness().entries().empty());
}

TEST_F(TcpServer, PdusInAnotherOrderOrChangedEndTheConnection) {
  start();
  for (const bool is_changed : {false, true}) {
    auto [client, security] = logged_on(AuthLevel::kIntegrity);
    (void)register_client(client, *security);
    Bytes first = security->request(0, {});
    if (is_changed) {
      first.back() ^= 1;
      client.send(first);
    } else {
      client.send(security->request(0, {}));  // the second
    }
    EXPECT_EQ(fault_of(client.read()), static_cast<uint32_t>(FaultStatus::kSecurityPackageError));
    EXPECT_TRUE(client.has_ended());
  }
  wait_until([&] { return host_.places == 0; });
  EXPECT_TRUE(server_->witness().entries().empty());
}

TEST_F(TcpServer, CallOfARegistrationThatGoesIsAnswered) {
  start();
  auto [client, security] = logged_on(AuthLevel::kIntegrity);
  const Bytes handle = register_client(client, *security);
  client.send(security->request(3, handle, 3, 20));
  client.send(security->request(5, handle, 3, 21));
  std::map<uint32_t, uint32_t> results;
  for (int i = 0; i < 2; ++i) {
    const Bytes answer = client.read();
    results[number_at(answer, 12)] = result_of(stub_of(answer));
  }
  EXPECT_EQ(results, (std::map<uint32_t, uint32_t>{{20, error::kNotFound}, {21, error::kSuccess}}));
  EXPECT_EQ(server_->witness().move_clients("c", "192.0.2.2").value_or(9), 0u);
  client.send(security->request(3, handle));
  EXPECT_EQ(result_of(stub_of(client.read())), error::kNotFound);
}

// More than one turn of the reactor works on.
TEST_F(TcpServer, ManyCallsAtOnceAreAllAnswered) {
  start();
  const TcpClient client = connect(plain_bind(witness_interface().syntax));
  (void)client.read();
  constexpr size_t kCalls = Connection::kPdusPerTurn * 4 + 1;
  Bytes all;
  for (size_t i = 0; i < kCalls; ++i) {
    const Bytes one = plain_request(0, {});
    all.insert(all.end(), one.begin(), one.end());
  }
  client.send(all);
  for (size_t i = 0; i < kCalls; ++i) {
    EXPECT_EQ(result_of(stub_of(client.read())), error::kNotAuthenticated);
  }
}

TEST_F(TcpServer, ConnectionsToAnAddressThatHasGoneEnd) {
  start();
  auto [client, security] = logged_on(AuthLevel::kIntegrity);
  (void)register_client(client, *security);
  EXPECT_EQ(server_->end_connections_at(*IpAddress::parse("192.0.2.1")), 0u);
  EXPECT_EQ(server_->witness().entries().size(), 1u);
  EXPECT_EQ(server_->end_connections_at(*IpAddress::parse("127.0.0.1")), 1u);
  EXPECT_TRUE(client.has_ended());
  wait_until([&] { return host_.places == 0; });
  EXPECT_TRUE(server_->witness().entries().empty());
}

TEST_F(TcpServer, AdministratorsEndConnections) {
  start();
  auto [client, security] = logged_on(AuthLevel::kIntegrity);
  (void)register_client(client, *security);
  ASSERT_EQ(server_->witness().entries().size(), 1u);
  const auto entry = server_->witness().entries().front();
  EXPECT_EQ(entry.registrant.account, auth::AuthFixture::kUser);
  EXPECT_EQ(entry.registrant.address, "127.0.0.1");
  EXPECT_FALSE(server_->end_connection(entry.association + 1));
  EXPECT_TRUE(server_->end_connection(entry.association));
  EXPECT_TRUE(client.has_ended());
  wait_until([&] { return host_.places == 0; });
  EXPECT_TRUE(server_->witness().entries().empty());
  EXPECT_FALSE(server_->end_connection(entry.association));
}

TEST_F(TcpServer, ConnectionWithoutAPlaceIsClosed) {
  start();
  host_.places_max = 0;
  const TcpClient client = connect(plain_bind(witness_interface().syntax));
  EXPECT_TRUE(client.has_ended());
}

TEST_F(TcpServer, ManyAssociationsAreAllTold) {
  start();
  constexpr size_t kCount = 30;
  std::vector<std::pair<TcpClient, std::unique_ptr<SecuredClient>>> clients;
  for (size_t i = 0; i < kCount; ++i) {
    clients.push_back(logged_on(AuthLevel::kIntegrity));
    auto& [client, security] = clients.back();
    client.send(security->request(3, register_client(client, *security)));
  }
  wait_until([&] {
    size_t waiting = 0;
    for (const auto& entry : server_->witness().entries()) waiting += entry.is_waiting ? 1 : 0;
    return waiting == kCount;
  });
  EXPECT_EQ(server_->witness().move_clients("c", "192.0.2.2").value_or(0), kCount);
  for (auto& [client, security] : clients) {
    EXPECT_EQ(result_of(stub_of(client.read())), error::kSuccess);
  }
}

TEST_F(TcpServer, StopEndsWhatIsThere) {
  start();
  auto [client, security] = logged_on(AuthLevel::kIntegrity);
  client.send(security->request(3, register_client(client, *security)));
  server_->stop();
  EXPECT_TRUE(client.has_ended());
  EXPECT_EQ(host_.places, 0u);
}

}  // namespace
}  // namespace braid::rpc::tcp
