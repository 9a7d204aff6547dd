#include "apps/braidd/worker.h"

#include <sys/resource.h>

#include <array>
#include <thread>

#include "apps/braidd/front_testing.h"

namespace braid::braidd {
namespace {

// Answers each connection with the first frame it was given.
class EchoServer final : public WorkerServer {
 public:
  void adopt(UniqueFd socket, Buffer first_frame, Arrival) override {
    EXPECT_GT(::send(socket.get(), first_frame.data(), first_frame.size(), MSG_NOSIGNAL), 0);
  }
  void adopt_rpc(UniqueFd socket, Buffer first_pdu, Service service) override {
    const uint8_t told[] = {static_cast<uint8_t>(service), first_pdu.view()[2]};
    EXPECT_EQ(::send(socket.get(), told, sizeof told, MSG_NOSIGNAL), 2);
  }
  void reload(config::Snapshot) override {}
  void drain() override { drained = true; }
  bool drained = false;
};

TEST(Worker, TakesConnectionsFromTheFrontUntilItIsDrained) {
  auto listeners = open_listeners({{"127.0.0.1", 0}});
  ASSERT_TRUE(listeners);
  auto front_control = make_link();
  auto worker_control = make_link();
  auto link = make_link();
  Front::Options options{.control = std::move(front_control->second)};
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(listeners->front().socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  options.listeners.push_back({std::move(listeners->front().socket)});
  Front front(std::move(options));
  EchoServer server;
  PassedOn passed_on(0, 1);
  const config::Config config;
  std::jthread front_thread([&] { front.run(); });
  std::jthread worker_thread([&] {
    EXPECT_EQ(run_worker(std::move(worker_control->second), server, passed_on, config),
              WorkerEnd::kDrained);
  });
  send_message(worker_control->first.get(), MessageKind::kLink, 0, link->first.get());
  send_message(front_control->first.get(), MessageKind::kLink, 0, link->second.get());
  link->first.reset();
  link->second.reset();

  for (int i = 0; i < 20; ++i) {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    const Bytes frame = negotiate(static_cast<uint8_t>(i));
    ASSERT_EQ(::send(socket.get(), frame.data(), frame.size(), 0),
              static_cast<ssize_t>(frame.size()));
    Bytes answer(frame.size());
    EXPECT_EQ(::recv(socket.get(), answer.data(), answer.size(), MSG_WAITALL),
              static_cast<ssize_t>(frame.size() - 4));
  }
  send_message(front_control->first.get(), MessageKind::kDrain);
  front_thread.join();
  send_message(worker_control->first.get(), MessageKind::kDrain);
  worker_thread.join();
  EXPECT_TRUE(server.drained);
}

// A worker that has run out of descriptors when the socket comes: the front holds another one of
// it, and the client must not wait until that gives up.
TEST(Worker, ConnectionWithoutRoomIsAcknowledgedAndClosed) {
  auto control = make_link();
  auto link = make_link();
  EchoServer server;
  PassedOn passed_on(0, 1);
  const config::Config config;
  std::jthread worker([&] { run_worker(std::move(control->second), server, passed_on, config); });
  send_message(control->first.get(), MessageKind::kLink, 0, link->first.get());
  const auto hand_over = [&](uint64_t number) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd of_server(ends[1]);
    const Bytes frame{1, 2, 3};
    EXPECT_TRUE(
        send_message(link->second.get(), MessageKind::kConnection, number, of_server.get(), frame));
    return UniqueFd(ends[0]);
  };
  const auto is_accepted = [&](uint64_t number) {
    if (!readable(link->second.get(), 10'000)) return false;
    const auto message = receive_message(link->second.get());
    return message && message->kind == MessageKind::kAccepted && message->number == number;
  };
  const UniqueFd first = hand_over(1);
  EXPECT_TRUE(is_accepted(1));
  EXPECT_TRUE(readable(first.get(), 10'000));
  std::array<uint8_t, 3> echo;
  EXPECT_EQ(::recv(first.get(), echo.data(), echo.size(), MSG_WAITALL), 3);
  // Until its descriptor is free: otherwise the next may find room there.
  EXPECT_TRUE(readable(first.get(), 10'000) && closed(first.get()));

  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd client(ends[0]);
  UniqueFd of_server(ends[1]);
  const int lowest_free = ::dup(0);
  ::close(lowest_free);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(lowest_free), .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  send_message(link->second.get(), MessageKind::kConnection, 2, of_server.get());
  const bool accepted = is_accepted(2);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_TRUE(accepted);
  of_server.reset();  // as the front does
  EXPECT_TRUE(closed(client.get()));

  send_message(control->first.get(), MessageKind::kDrain);
  worker.join();
}

TEST(Worker, ConnectionsOfRpcArriveAsWhatTheyAre) {
  auto control = make_link();
  auto link = make_link();
  EchoServer server;
  PassedOn passed_on(0, 1);
  const config::Config config;
  std::jthread worker([&] { run_worker(std::move(control->second), server, passed_on, config); });
  send_message(control->first.get(), MessageKind::kLink, 0, link->first.get());
  uint64_t number = 0;
  for (const auto& [kind, service] :
       {std::pair{MessageKind::kMapperConnection, Service::kEndpointMapper},
        std::pair{MessageKind::kWitnessConnection, Service::kWitness}}) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd client(ends[0]);
    const UniqueFd of_server(ends[1]);
    const Bytes frame{5, 0, 11};
    ASSERT_TRUE(send_message(link->second.get(), kind, ++number, of_server.get(), frame));
    uint8_t told[2] = {};
    EXPECT_EQ(::recv(client.get(), told, sizeof told, MSG_WAITALL), 2);
    EXPECT_EQ(told[0], static_cast<uint8_t>(service));
    EXPECT_EQ(told[1], 11);
  }
  send_message(control->first.get(), MessageKind::kDrain);
  worker.join();
}

TEST(Worker, EndsWithItsSupervisor) {
  auto control = make_link();
  control->first.reset();
  EchoServer server;
  PassedOn passed_on(0, 1);
  EXPECT_EQ(run_worker(std::move(control->second), server, passed_on, {}),
            WorkerEnd::kNoSupervisor);
  EXPECT_FALSE(server.drained);
}

}  // namespace
}  // namespace braid::braidd
