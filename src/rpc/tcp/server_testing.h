// A Server on loopback sockets, and a client that blocks, for tests.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "rpc/memory_directory.h"
#include "rpc/secured_client_testing.h"
#include "rpc/tcp/server.h"
#include "runtime/worker_pool.h"

namespace braid::rpc::tcp {

// Judges at once, and knows how many places are taken.
class TestHost final : public Host {
 public:
  std::unique_ptr<Place> admit(const transport::SocketAddress&) override {
    if (places >= places_max) return nullptr;
    return std::make_unique<TestPlace>(*this);
  }
  uint64_t next_connection_number() override { return ++numbers; }
  Task<Result<auth::AuthStep>> judge(Logon logon) override {
    WorkerPool::Seat seat(pool_, {});
    BRAID_CO_CHECK(co_await seat.turn());
    auto step = logon.leg.exchange.step(logon.leg.token);
    co_await logon.reactor.schedule();
    co_return step;
  }

  const std::shared_ptr<MemoryBudget> budget = MemoryBudget::make(64 << 20);
  std::atomic<size_t> places = 0;
  std::atomic<size_t> places_max = 1000;
  std::atomic<size_t> known = 0;
  std::atomic<uint64_t> numbers = 0;

 private:
  class TestPlace final : public Place {
   public:
    explicit TestPlace(TestHost& host) : host_(host), memory_(host.budget->open_account({})) {
      ++host_.places;
    }
    ~TestPlace() override { --host_.places; }
    void user_known(const auth::Identity&) override { ++host_.known; }
    const std::shared_ptr<MemoryAccount>& memory() const override { return memory_; }

   private:
    TestHost& host_;
    const std::shared_ptr<MemoryAccount> memory_;
  };
  WorkerPool pool_{1};
};

// Two ends of a TCP connection to 127.0.0.1: a client's and the server's.
inline std::pair<UniqueFd, UniqueFd> tcp_pair() {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  UniqueFd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(server);
  return {std::move(client), std::move(server)};
}

class TcpClient {
 public:
  explicit TcpClient(UniqueFd socket) : socket_(std::move(socket)) {}

  void send(ByteView bytes) const {
    EXPECT_EQ(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // A PDU; empty at the end of the connection.
  Bytes read() const {
    Bytes pdu(PduHeader::kSize);
    if (!read_exactly(pdu)) return {};
    wire::Reader r(pdu);
    const auto header = PduHeader::decode(r);
    if (!header) return {};
    pdu.resize(header->frag_length);
    if (!read_exactly(MutableByteView(pdu).subspan(PduHeader::kSize))) return {};
    return pdu;
  }
  bool has_ended() const {
    uint8_t byte;
    return ::recv(socket_.get(), &byte, 1, 0) <= 0;
  }
  bool is_silent() const {
    pollfd wait{socket_.get(), POLLIN, 0};
    return ::poll(&wait, 1, 0) == 0;
  }

 private:
  bool read_exactly(MutableByteView into) const {
    return ::recv(socket_.get(), into.data(), into.size(), MSG_WAITALL) ==
           static_cast<ssize_t>(into.size());
  }
  UniqueFd socket_;
};

class TcpServerTest : public testing::Test {
 protected:
  void start(std::chrono::nanoseconds stranger_time = Connection::kStrangerTime) {
    server_.emplace(Server::Parts{.reactors = reactors_,
                                  .host = host_,
                                  .authenticator = logons_.authenticator(),
                                  .directory = memory_.directory(),
                                  .server_names = {"fs"},
                                  .witness_port = 49'321,
                                  .stranger_time = stranger_time,
                                  .tick = std::chrono::milliseconds(20)});
    for (const char* address : {"192.0.2.1", "192.0.2.2"}) {
      server_->witness().set_interface(
          {"FS", witness::State::kAvailable, *witness::IpAddress::parse(address), true});
    }
  }
  TcpClient connect(ByteView first, Port port = Port::kWitness) {
    auto [client, server] = tcp_pair();
    server_->adopt(std::move(server), Buffer::copy_of(first), port);
    return TcpClient(std::move(client));
  }
  // Bound, and logged on.
  std::pair<TcpClient, std::unique_ptr<SecuredClient>> logged_on(AuthLevel level) {
    auto security = std::make_unique<SecuredClient>(level, witness_interface().syntax);
    TcpClient client = connect(security->bind());
    const Bytes auth3 = security->auth3(client.read());
    EXPECT_FALSE(auth3.empty());
    client.send(auth3);
    return {std::move(client), std::move(security)};
  }

  static uint32_t number_at(const Bytes& bytes, size_t at) {
    uint32_t number = 0xffffffff;
    if (bytes.size() >= at + 4) std::memcpy(&number, &bytes[at], 4);
    return number;
  }
  // Of a response: what is in front of the padding, which the trailer counts.
  static Bytes stub_of(const Bytes& pdu) {
    wire::Reader r(pdu);
    const auto header = PduHeader::decode(r);
    if (!header || header->type != PduType::kResponse) return {};
    size_t end = header->body_end();
    if (header->auth_length != 0) end -= pdu[end + 2];
    return Bytes(pdu.begin() + 24, pdu.begin() + static_cast<ptrdiff_t>(end));
  }
  static uint32_t result_of(const Bytes& stub) {
    return stub.size() < 4 ? 0xffffffff : number_at(stub, stub.size() - 4);
  }
  static uint32_t fault_of(const Bytes& pdu) {
    return pdu.size() >= 28 && pdu[2] == 3 ? number_at(pdu, 24) : 0;
  }
  static Bytes register_stub(uint32_t keep_alive_s = 120) {
    Bytes stub;
    wire::NdrWriter out(stub);
    out.u32(witness::RegisterRequest::kVersion2);
    for (const char* text : {"fs", "data", "192.0.2.1", "c"}) out.unique_wide_string(text);
    out.u32(1);
    out.u32(keep_alive_s);
    return stub;
  }
  // Its context handle.
  Bytes register_client(const TcpClient& client, SecuredClient& security,
                        uint32_t keep_alive_s = 120) {
    client.send(security.request(4, register_stub(keep_alive_s)));
    Bytes stub = stub_of(client.read());
    EXPECT_EQ(result_of(stub), witness::error::kSuccess);
    stub.resize(20);
    return stub;
  }
  // Until the server has seen what the client did.
  template <class Condition>
  static void wait_until(Condition condition) {
    while (!condition()) std::this_thread::yield();
  }

  auth::AuthFixture logons_;
  MemoryDirectory memory_;
  TestHost host_;
  ReactorPool reactors_{2};
  std::optional<Server> server_;
};

}  // namespace braid::rpc::tcp
