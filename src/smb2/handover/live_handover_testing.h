// A server whose connections the next one is to go on with, and clients of the first.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "smb2/files/durable_testing.h"
#include "smb2/handover/live_handover.h"
#include "transport/tcp_transport.h"
#include "vfs/posix/posix_volume.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/lock.h"

namespace braid::smb2 {

inline std::pair<UniqueFd, UniqueFd> connected() {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener.get(), generic, size), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(listener.get(), generic, &size), 0);
  UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), generic, size), 0);
  UniqueFd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return {std::move(client), std::move(server)};
}

struct LiveHandoverTest : testing::Test {
  LiveHandoverTest() {
    char name[] = "/tmp/braid-live-XXXXXX";
    folder = ::mkdtemp(name);
    shares = table_of(make_share());
    before.emplace(Engine::lenient(), clock, 1, shares);
    after.emplace(Engine::lenient(), clock, 1, shares);
    after->server().files.file_ids.start_at(1u << 20);
  }
  ~LiveHandoverTest() override {
    end();
    std::filesystem::remove_all(folder);
  }
  void end() {
    clients.clear();
    if (!after) return;
    // What has left is to touch nothing any more.
    after->stop();
    EXPECT_EQ(after->server().files.open_table.disconnected(), 0u);
    EXPECT_FALSE(after->server().files.file_table.any_open_below(""));
    after.reset();
    before.reset();
  }
  std::shared_ptr<Share> make_share() const {
    auto share = std::make_shared<Share>();
    share->name = "files";
    share->real_path = folder;
    share->volume = *vfs::open_posix_volume(folder);
    share->local_access = config::LocalAccess::kNone;
    return share;
  }
  static std::shared_ptr<const ShareTable> table_of(std::shared_ptr<const Share> share) {
    return std::make_shared<const ShareTable>(
        std::vector<std::shared_ptr<const Share>>{std::move(share)});
  }
  // Who takes over has read another configuration.
  void configure_next(std::shared_ptr<const Share> share) {
    auto config = std::make_shared<config::Config>();
    config->server = Engine::lenient();
    after->server().reconfigure(config, table_of(std::move(share)));
  }
  RawClient& connect(ClientGuid guid = kClient) {
    auto [client, server] = connected();
    return *clients.emplace_back(std::make_unique<RawClient>(
        *before,
        std::pair{transport::make_tcp_transport(before->reactor(), client.release()),
                  transport::make_tcp_transport(before->reactor(), server.release())},
        guid));
  }
  RawClient& log_on(ClientGuid guid = kClient, wire::Dialect dialect = wire::Dialect::kSmb302) {
    RawClient& made = connect(guid);
    EXPECT_TRUE(made.log_on(dialect));
    return made;
  }
  wire::CreateResponse created(RawClient& by, const wire::CreateRequest& body) {
    auto answer = by.exchange(by.request(Command::kCreate, body));
    EXPECT_TRUE(answer && answer->status() == NtStatus::kSuccess);
    answers.push_back(std::move(*answer));
    return answers.back().as<wire::CreateResponse>();
  }
  static Bytes lock_request(RawClient& by, FileId id, uint64_t offset,
                            uint32_t flags = wire::LockFlags::kFailImmediately) {
    wire::LockRequest request{.file_id = id};
    request.locks.push_back(
        {.offset = offset, .length = 1, .flags = flags | wire::LockFlags::kExclusiveLock});
    return by.request(Command::kLock, request);
  }
  static NtStatus lock(RawClient& by, FileId id, uint64_t offset) {
    return by.status_of(lock_request(by, id, offset));
  }
  static NtStatus write(RawClient& by, FileId id) {
    return by.status_of(
        by.request(Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes("here")}));
  }
  static NtStatus echo(RawClient& by) {
    return by.status_of(by.request(Command::kEcho, wire::EchoRequest{}));
  }
  bool suspend() {
    return before->server().suspend(std::chrono::steady_clock::now() + 60s, Server::Connected::kGo);
  }
  Result<size_t> take(const OpensHandover::Part& part) {
    std::vector<UniqueFd> descriptors;
    for (const int each : part.descriptors) {
      descriptors.emplace_back(::fcntl(each, F_DUPFD_CLOEXEC, 0));
    }
    return after->server().live_handover().take(part.state, std::move(descriptors));
  }
  void serve() {
    after->server().live_handover().serve([](UniqueFd socket, Bytes received) {
      return transport::over_tcp(std::move(socket), {}, std::move(received));
    });
  }
  // How many connections go on, with how many opens.
  std::pair<size_t, size_t> hand_over() {
    EXPECT_TRUE(suspend());
    const auto taken = take(before->server().live_handover().give());
    EXPECT_TRUE(taken) << taken.error().message();
    serve();
    return {after->server().connections().size(), taken.value_or(0)};
  }
  // Of what is open in a share, where the next one has it so; the connection goes on.
  void expect_its_end(std::shared_ptr<const Share> share) {
    RawClient& client = log_on();
    const FileId plain = client.create("plain");
    const FileId kept = created(client, with_lease(durable(), 2)).file_id;
    configure_next(std::move(share));
    EXPECT_EQ(hand_over(), all(1, 2));
    EXPECT_EQ(write(client, plain), NtStatus::kNetworkNameDeleted);
    EXPECT_EQ(write(client, kept), NtStatus::kNetworkNameDeleted);
    EXPECT_EQ(echo(client), NtStatus::kSuccess);
    EXPECT_EQ(client.tree_connect("files"), NtStatus::kAccessDenied);
  }
  static std::pair<size_t, size_t> all(size_t connections, size_t opens) {
    return {connections, opens};
  }

  VirtualClock clock;
  std::string folder;
  std::shared_ptr<const ShareTable> shares;
  std::optional<Engine> before;
  std::optional<Engine> after;
  std::vector<std::unique_ptr<RawClient>> clients;
  std::vector<Answer> answers;  // what decoded responses point into
};

}  // namespace braid::smb2
