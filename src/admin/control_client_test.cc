#include "admin/control_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>

#include "admin/control_server.h"
#include "admin/socket_path.h"
#include "base/unique_fd.h"

namespace braid::admin {
namespace {

class ControlClientTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "braid-control-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  auto listen(size_t worker = 0, size_t workers = 1) const {
    return ControlServer::listen(folder_, worker, [workers](auto) -> std::string {
      return fmt::format("{{\"workers\":{},\"result\":\"here\"}}\n", workers);
    });
  }
  // As the process that has the lock of the folder does.
  void run_as(pid_t pid) const { std::ofstream(folder_ / "lock") << pid << '\n'; }

  const ControlRequest request_{.command = Command::kSessions};
  std::filesystem::path folder_;
};

TEST_F(ControlClientTest, NobodyIsWaitedForWhereNoServerRuns) {
  auto answers = ask_running_workers(folder_, request_);
  ASSERT_TRUE(answers);
  EXPECT_FALSE(*answers);
  std::ofstream(folder_ / "lock") << "no number\n";
  answers = ask_running_workers(folder_, request_);
  ASSERT_TRUE(answers);
  EXPECT_FALSE(*answers);
  EXPECT_FALSE(ask_workers(folder_, request_));
}

// Between two generations of workers nobody listens.
TEST_F(ControlClientTest, AServerThatIsBeingUpgradedIsWaitedFor) {
  run_as(::getpid());
  EXPECT_FALSE(ask_workers(folder_, request_, Pause::kNoAnswer));
  auto asking =
      std::async(std::launch::async, [this] { return ask_running_workers(folder_, request_); });
  const auto server = listen();
  ASSERT_TRUE(server) << server.error().message();
  const auto answers = asking.get();
  ASSERT_TRUE(answers) << answers.error();
  ASSERT_TRUE(*answers);
  EXPECT_EQ((**answers).results.front().result, "here");
}

// The others have answered, and are not asked again.
TEST_F(ControlClientTest, AWorkerThatIsNotThereYetIsWaitedFor) {
  run_as(::getpid());
  const auto second = listen(1, 2);
  ASSERT_TRUE(second);
  const auto without = ask_workers(folder_, request_, Pause::kNoAnswer);
  ASSERT_TRUE(without) << without.error();
  EXPECT_EQ(without->results.size(), 1u);
  EXPECT_EQ(without->missing.size(), 1u);
  auto asking = std::async(std::launch::async, [this] { return ask_workers(folder_, request_); });
  const auto first = listen(0, 2);
  ASSERT_TRUE(first);
  const auto answers = asking.get();
  ASSERT_TRUE(answers) << answers.error();
  EXPECT_TRUE(answers->missing.empty());
  ASSERT_EQ(answers->results.size(), 2u);
  EXPECT_EQ(answers->results.front().worker, 0u);
}

// Whoever has asked a worker that is about to end does not have to find out whether it was heard.
TEST_F(ControlClientTest, WhoHasAskedIsAnsweredBeforeTheEnd) {
  std::promise<void> is_busy;
  std::promise<void> goes_on;
  std::atomic<int> asked = 0;
  auto server = ControlServer::listen(folder_, 0, [&](auto) -> std::string {
    if (asked++ == 0) {
      is_busy.set_value();
      goes_on.get_future().wait();
    }
    return "{\"workers\":1,\"result\":\"here\"}\n";
  });
  ASSERT_TRUE(server) << server.error().message();
  const auto ask = [&] {
    return std::async(std::launch::async,
                      [&] { return ask_workers(folder_, request_, Pause::kNoAnswer); });
  };
  auto first = ask();
  is_busy.get_future().wait();
  // Not by ask_workers(): nobody could tell when that has connected.
  const UniqueFd folder(::open((folder_ / "control").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd second(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = socket_address(folder.get(), socket_name(0));
  ASSERT_EQ(::connect(second.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
  const std::string line = encode_request(request_);
  ASSERT_EQ(::send(second.get(), line.data(), line.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(line.size()));
  auto ending = std::async(std::launch::async, [&] { server->reset(); });
  goes_on.set_value();
  char answer[64] = {};
  EXPECT_GT(::recv(second.get(), answer, sizeof answer, 0), 0);
  ending.wait();
  const auto answers = first.get();
  ASSERT_TRUE(answers) << answers.error();
  EXPECT_TRUE(answers->missing.empty());
}

// Who has left a socket behind.
TEST_F(ControlClientTest, ASocketThatNobodyReadsIsNoServer) {
  ASSERT_TRUE(listen());
  std::filesystem::create_directories(folder_ / "control");
  run_as(::getpid());
  const auto answers = ask_workers(folder_, request_, Pause::kNoAnswer);
  ASSERT_FALSE(answers);
  EXPECT_NE(answers.error().find("no server runs on"), std::string::npos) << answers.error();
}

}  // namespace
}  // namespace braid::admin
