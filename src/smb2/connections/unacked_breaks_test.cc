#include "smb2/connections/unacked_breaks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "runtime/reactor_testing.h"
#include "runtime/task_scope.h"

namespace braid::smb2 {
namespace {

using namespace std::chrono_literals;

// A peer of which the test says what it has acknowledged.
class Peer final : public transport::Transport {
 public:
  explicit Peer(Reactor& reactor) : reactor_(reactor) {}

  Task<Result<CountedBuffer>> receive() override {
    co_return fail(NtStatus::kConnectionDisconnected);
  }
  void set_account(std::shared_ptr<MemoryAccount>) override {}
  void set_receive_limit(size_t) override {}
  uint64_t send(transport::OutFrame) override { return 0; }
  Task<void> writable() override { co_return; }
  Task<void> drained() override { co_return; }
  uint64_t bytes_queued() const override { return 1000; }
  uint64_t bytes_sent() const override { return 1000; }
  uint64_t bytes_acknowledged() const override { return acknowledged; }
  void watch_acknowledgements(transport::AcknowledgementLook look) override {
    look_ = std::move(look);
  }
  bool is_suspect() const override { return false; }
  void close() override {}
  bool is_closed() const override { return false; }
  transport::SocketAddress peer() const override { return {}; }
  transport::SocketAddress local() const override { return {}; }
  Reactor& reactor() const override { return reactor_; }

  bool is_watched() const { return look_ != nullptr; }
  void look() {
    if (look_ && !look_(acknowledged)) look_ = nullptr;
  }
  std::atomic<uint64_t> acknowledged = 0;

 private:
  Reactor& reactor_;
  transport::AcknowledgementLook look_;
};

struct UnackedBreaksTest : testing::Test {
  void run(std::move_only_function<void()> work) { run_on(reactors.at(0), std::move(work)); }
  DeliveryOutcome add(uint64_t end, bool ack_required = true) {
    filestate::Break notification;
    notification.ack_required = ack_required;
    auto outcome = std::make_shared<OneShot<Delivery>>();
    run([&] { breaks.add(end, outcome, notification); });
    return outcome;
  }
  Delivery wait(const DeliveryOutcome& outcome) {
    std::promise<Delivery> result;
    TaskScope scope;
    struct Wait {
      static Task<void> until(DeliveryOutcome what, Reactor& reactor,
                              std::promise<Delivery>& into) {
        into.set_value(co_await what->wait(reactor));
      }
    };
    scope.spawn(Wait::until(outcome, reactors.at(0), result));
    auto future = result.get_future();
    EXPECT_EQ(future.wait_for(10s), std::future_status::ready);
    scope.wait();
    return future.get();
  }
  bool is_watched_after_a_look() {
    bool watched = false;
    run([&] {
      transport->look();
      watched = transport->is_watched();
    });
    return watched;
  }
  // As the transport does when something may have been acknowledged.
  void look() {
    run([this] { transport->look(); });
  }
  void TearDown() override {
    run([this] { breaks.close(); });
  }

  ReactorPool reactors{1};
  std::shared_ptr<Peer> transport = std::make_shared<Peer>(reactors.at(0));
  // What filestate still waits for, and what went to another channel.
  std::atomic<bool> is_awaited = true;
  std::vector<filestate::Break> handed_on;
  UnackedBreaks::Answers answers{
      .are_awaited = [this](const auto&) { return is_awaited.load(); },
      .will_not_come = [this](const auto& each) { handed_on.push_back(each); }};
  UnackedBreaks breaks{transport, answers};
};

TEST_F(UnackedBreaksTest, PeerIsWatchedWhileABreakIsOut) {
  EXPECT_FALSE(transport->is_watched());
  transport->acknowledged = 60;
  const auto first = add(100);
  EXPECT_TRUE(is_watched_after_a_look());
  EXPECT_FALSE(first->is_set());
  const auto second = add(200);
  transport->acknowledged = 100;
  EXPECT_TRUE(is_watched_after_a_look());
  EXPECT_EQ(wait(first), Delivery::kArrived);
  EXPECT_FALSE(second->is_set());
  transport->acknowledged = 200;
  EXPECT_FALSE(is_watched_after_a_look());
  EXPECT_EQ(wait(second), Delivery::kArrived);
  add(300);
  EXPECT_TRUE(is_watched_after_a_look());
}

TEST_F(UnackedBreaksTest, EndOfTheConnectionTellsLostFromArrived) {
  transport->acknowledged = 100;
  const auto first = add(100);
  const auto second = add(200);
  run([this] { breaks.close(); });
  EXPECT_FALSE(transport->is_watched());
  EXPECT_EQ(wait(first), Delivery::kArrived);
  EXPECT_EQ(wait(second), Delivery::kLost);
  EXPECT_EQ(wait(add(300)), Delivery::kLost);
  EXPECT_FALSE(transport->is_watched());
}

// It may be in a buffer that nobody reads any more.
TEST_F(UnackedBreaksTest, ArrivedButNotAnsweredIsHandedOnAtTheEnd) {
  transport->acknowledged = 100;
  const auto outcome = add(60);
  add(80, /*ack_required=*/false);
  look();
  EXPECT_EQ(wait(outcome), Delivery::kArrived);
  add(100);
  run([this] {
    EXPECT_TRUE(handed_on.empty());
    breaks.close();
    EXPECT_EQ(handed_on.size(), 2u);
  });
}

TEST_F(UnackedBreaksTest, AnsweredOnesAreForgotten) {
  transport->acknowledged = 100;
  is_awaited = false;
  for (int i = 0; i < 50; ++i) {
    add(100);
    look();
  }
  run([this] {
    breaks.close();
    EXPECT_LE(handed_on.size(), 16u);
  });
}

}  // namespace
}  // namespace braid::smb2
