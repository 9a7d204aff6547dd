#include "smb2/unacked_breaks.h"

#include <gtest/gtest.h>

#include <future>

#include "runtime/task_scope.h"

namespace braid::smb2 {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Counters to be set, and nothing behind them.
class Counters final : public transport::Transport {
 public:
  explicit Counters(Reactor& reactor) : reactor_(reactor) {}

  Task<Result<CountedBuffer>> receive() override {
    co_return fail(NtStatus::kConnectionDisconnected);
  }
  void set_account(std::shared_ptr<MemoryAccount>) override {}
  void set_receive_limit(size_t) override {}
  uint64_t send(transport::OutFrame) override { return 0; }
  Task<void> writable() override { co_return; }
  Task<void> drained() override { co_return; }
  uint64_t bytes_queued() const override { return sent; }
  uint64_t bytes_sent() const override { return sent; }
  uint64_t unacknowledged() const override {
    acknowledged += per_look;
    if (++looks == kLooks) looked.set_value();
    return sent - acknowledged;
  }
  std::chrono::microseconds retransmission_timeout() const override { return timeout; }
  std::chrono::microseconds silence() const override { return silent_for; }
  void close() override { closed = true; }
  void abort() override {
    aborted = true;
    close();
    done.set_value();
  }
  bool is_closed() const override { return closed; }
  transport::SocketAddress peer() const override { return {}; }
  transport::SocketAddress local() const override { return {}; }
  Reactor& reactor() const override { return reactor_; }

  std::atomic<uint64_t> sent = 0;
  mutable std::atomic<uint64_t> acknowledged = 0;
  std::atomic<std::chrono::microseconds> timeout = 1us;
  std::atomic<std::chrono::microseconds> silent_for = 0us;
  std::atomic<bool> closed = false;
  std::atomic<bool> aborted = false;
  std::promise<void> done;

  // So much more is acknowledged each time somebody looks, and that many looks are waited for: more
  // than a peer has that acknowledges nothing.
  static constexpr uint64_t kLooks = UnackedBreaks::kRetransmissionsMax * 3;
  std::atomic<uint64_t> per_look = 0;
  mutable std::atomic<uint64_t> looks = 0;
  mutable std::promise<void> looked;

 private:
  Reactor& reactor_;
};

struct UnackedBreaksTest : testing::Test {
  // On the reactor, and waits for it.
  void run(std::move_only_function<void()> work) {
    std::promise<void> ran;
    reactors.at(0).post([&] {
      work();
      ran.set_value();
    });
    ran.get_future().wait();
  }
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
  void TearDown() override {
    run([this] { breaks.close(); });
  }

  ReactorPool reactors{1};
  std::shared_ptr<Counters> transport = std::make_shared<Counters>(reactors.at(0));
  // What filestate still waits for, and what went to another channel.
  std::atomic<bool> is_awaited = true;
  std::vector<filestate::Break> handed_on;
  UnackedBreaks::Answers answers{
      .are_awaited = [this](const auto&) { return is_awaited.load(); },
      .will_not_come = [this](const auto& each) { handed_on.push_back(each); }};
  UnackedBreaks breaks{transport, answers};
};

TEST_F(UnackedBreaksTest, AcknowledgedBreakHasArrived) {
  transport->sent = transport->acknowledged = 100;
  EXPECT_EQ(wait(add(100)), Delivery::kArrived);
  EXPECT_FALSE(transport->aborted);
}

TEST_F(UnackedBreaksTest, SilentPeerLosesItsConnectionAfterSixTimeouts) {
  transport->sent = 100;
  transport->acknowledged = 60;
  const auto started = Clock::now();
  const auto outcome = add(100);
  transport->done.get_future().wait();
  EXPECT_GE(Clock::now() - started,
            UnackedBreaks::kTimeoutMin * UnackedBreaks::kRetransmissionsMax);
  EXPECT_TRUE(transport->aborted);
  // Known only when the connection has ended: it may have been acknowledged that moment.
  EXPECT_FALSE(outcome->is_set());
  run([this] { breaks.close(); });
  EXPECT_EQ(wait(outcome), Delivery::kLost);
}

// What it did not acknowledge before need not be waited for again, but that it still does not.
TEST_F(UnackedBreaksTest, PeerSilentForLongHasOneMoreTimeout) {
  transport->sent = 100;
  transport->silent_for = 20s;
  const auto other_transport = std::make_shared<Counters>(reactors.at(0));
  other_transport->sent = 100;
  UnackedBreaks other{other_transport, answers};
  run([&] { other.add(100, std::make_shared<OneShot<Delivery>>(), {}); });
  add(100);
  EXPECT_TRUE(breaks.is_suspect());
  // It began later, and is through before the other one, which was not silent, has had its six.
  bool other_is_through = true;
  transport->done.get_future().wait();
  run([&] {
    other_is_through = other_transport->aborted;
    other.close();
  });
  EXPECT_FALSE(other_is_through);
}

// What waits behind data in our own queue is not sent, but the peer that takes the data lives.
TEST_F(UnackedBreaksTest, PeerThatReadsSlowlyKeepsItsConnection) {
  transport->sent = 1000;
  transport->per_look = 10;
  const auto outcome = add(2000);
  transport->looked.get_future().wait();
  EXPECT_FALSE(transport->aborted);
  EXPECT_FALSE(outcome->is_set());
  run([this] {
    transport->per_look = 0;
    transport->sent = transport->acknowledged = 2000;
  });
  EXPECT_EQ(wait(outcome), Delivery::kArrived);
}

TEST_F(UnackedBreaksTest, EndOfTheConnectionTellsLostFromArrived) {
  transport->sent = 200;
  transport->acknowledged = 100;
  const auto first = add(100);
  const auto second = add(200);
  run([this] { breaks.close(); });
  EXPECT_EQ(wait(first), Delivery::kArrived);
  EXPECT_EQ(wait(second), Delivery::kLost);
  EXPECT_EQ(wait(add(300)), Delivery::kLost);
}

// It may be in a buffer that nobody reads any more.
TEST_F(UnackedBreaksTest, ArrivedButNotAnsweredIsHandedOnAtTheEnd) {
  transport->sent = transport->acknowledged = 100;
  EXPECT_EQ(wait(add(60)), Delivery::kArrived);
  EXPECT_EQ(wait(add(80, /*ack_required=*/false)), Delivery::kArrived);
  add(100);
  run([this] {
    EXPECT_TRUE(handed_on.empty());
    breaks.close();
    EXPECT_EQ(handed_on.size(), 2u);
  });
}

TEST_F(UnackedBreaksTest, AnsweredOnesAreForgotten) {
  transport->sent = transport->acknowledged = 100;
  is_awaited = false;
  for (int i = 0; i < 49; ++i) add(100);
  wait(add(100));
  run([this] {
    breaks.close();
    EXPECT_LE(handed_on.size(), 16u);
  });
}

}  // namespace
}  // namespace braid::smb2
