#include "transport/acknowledgement_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>

#include "runtime/reactor_testing.h"

namespace braid::transport {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Counters to be set, and nothing behind them.
struct Counters final : AcknowledgementWatch::Stream {
  uint64_t bytes_acknowledged() const override {
    acknowledged += per_look;
    if (++looks == kLooks) looked.set_value();
    return acknowledged;
  }
  std::chrono::microseconds retransmission_timeout() const override { return 1us; }
  std::chrono::microseconds silence() const override { return silent_for; }
  SocketAddress peer() const override { return {}; }
  void abort() override {
    aborted = true;
    done.set_value();
  }

  // So much more is acknowledged each time somebody looks, and that many looks are waited for: more
  // than a peer has that acknowledges nothing.
  static constexpr uint64_t kLooks = AcknowledgementWatch::kRetransmissionsMax * 3;
  std::atomic<uint64_t> per_look = 0;
  mutable std::atomic<uint64_t> acknowledged = 0;
  mutable std::atomic<uint64_t> looks = 0;
  mutable std::promise<void> looked;
  std::chrono::microseconds silent_for{};
  std::atomic<bool> aborted = false;
  std::promise<void> done;
};

struct AcknowledgementWatchTest : testing::Test {
  void run(std::move_only_function<void()> work) { run_on(reactors.at(0), std::move(work)); }
  void TearDown() override {
    run([this] { watch.set(nullptr); });
  }
  static bool goes_on(uint64_t) { return true; }

  ReactorPool reactors{1};
  Counters stream;
  AcknowledgementWatch watch{reactors.at(0), stream};
};

TEST_F(AcknowledgementWatchTest, SilentPeerIsGoneAfterSixTimeouts) {
  const auto started = Clock::now();
  run([this] { watch.set(goes_on); });
  EXPECT_FALSE(watch.is_suspect());
  stream.done.get_future().wait();
  EXPECT_GE(Clock::now() - started,
            AcknowledgementWatch::kTimeoutMin * AcknowledgementWatch::kRetransmissionsMax);
  EXPECT_TRUE(stream.aborted);
}

// What it did not acknowledge before need not be waited for again, but that it still does not.
TEST_F(AcknowledgementWatchTest, PeerSilentForLongHasOneMoreTimeout) {
  Counters other_stream;
  AcknowledgementWatch other{reactors.at(0), other_stream};
  stream.silent_for = 20s;
  run([&] {
    other.set(goes_on);
    watch.set(goes_on);
  });
  EXPECT_TRUE(watch.is_suspect());
  // It began later, and is through before the other one, which was not silent, has had its six.
  stream.done.get_future().wait();
  bool other_is_through = true;
  run([&] {
    other_is_through = other_stream.aborted;
    other.set(nullptr);
  });
  EXPECT_FALSE(other_is_through);
}

// What waits behind data in our own queue is not sent, but the peer that takes the data lives.
TEST_F(AcknowledgementWatchTest, SlowPeerIsKept) {
  stream.per_look = 10;
  run([this] { watch.set(goes_on); });
  stream.looked.get_future().wait();
  EXPECT_FALSE(stream.aborted);
  EXPECT_FALSE(watch.is_suspect());
}

TEST_F(AcknowledgementWatchTest, EndsWhenNobodyWaitsAnyMore) {
  stream.acknowledged = 100;
  std::promise<uint64_t> told;
  run([&] {
    watch.set([&](uint64_t acknowledged) {
      told.set_value(acknowledged);  // once: a second time throws
      return false;
    });
  });
  EXPECT_EQ(told.get_future().get(), 100u);
  const uint64_t looks = stream.looks;
  // Nobody has looked since.
  run([this] { watch.set(goes_on); });
  stream.done.get_future().wait();
  EXPECT_EQ(stream.looks, looks + 1 + AcknowledgementWatch::kRetransmissionsMax);
}

}  // namespace
}  // namespace braid::transport
