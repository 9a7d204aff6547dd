#include "transport/fault_transport.h"

#include <gtest/gtest.h>

#include "base/memory_budget.h"
#include "transport/memory_transport.h"
#include "transport/transport_testing.h"

namespace braid::transport {
namespace {

using namespace std::chrono_literals;

Task<std::string> receive_text(TransportPtr transport) {
  auto message = co_await transport->receive();
  co_return message ? std::string(as_text(message->view())) : "(" + message.error().message() + ")";
}

Task<void> faults(TransportPtr clean, TransportPtr faulty, std::vector<std::string> expected) {
  for (const char* text : {"one", "two", "three"}) {
    faulty->send(frame_of(Bytes(as_bytes(text).begin(), as_bytes(text).end())));
  }
  for (const std::string& text : expected) EXPECT_EQ(co_await receive_text(clean), text);
}

void run_faults(FaultPlan plan, std::vector<std::string> expected) {
  Reactor reactor;
  auto [a, b] = make_memory_transports(reactor, reactor);
  run(reactor, faults(a, make_fault_transport(b, std::move(plan)), std::move(expected)));
}

TEST(FaultTransport, DropsTruncatesDelaysAndCloses) {
  using Kind = FaultAction::Kind;
  const std::string gone = "(STATUS_CONNECTION_DISCONNECTED)";
  run_faults(at_frame(Direction::kSend, 1, {.kind = Kind::kDrop}), {"one", "three"});
  run_faults(at_frame(Direction::kSend, 1, {.kind = Kind::kTruncate, .keep = 1}),
             {"one", "t", "three"});
  run_faults(at_frame(Direction::kSend, 0, {.kind = Kind::kDelay, .delay = 2ms}),
             {"one", "two", "three"});
  run_faults(at_frame(Direction::kSend, 2, {.kind = Kind::kClose}), {"one", "two", gone});
  run_faults(close_at_byte(Direction::kSend, 5), {"one", gone});
  run_faults(close_at_byte(Direction::kSend, 6), {"one", "two", gone});
}

Task<void> faulty_receive(TransportPtr clean, TransportPtr faulty) {
  for (const char* text : {"one", "two", "three"}) {
    clean->send(frame_of(Bytes(as_bytes(text).begin(), as_bytes(text).end())));
  }
  EXPECT_EQ(co_await receive_text(faulty), "one");
  EXPECT_EQ(co_await receive_text(faulty), "three");
}

TEST(FaultTransport, DropsOnTheWayIn) {
  Reactor reactor;
  auto [a, b] = make_memory_transports(reactor, reactor);
  auto plan = at_frame(Direction::kReceive, 1, {.kind = FaultAction::Kind::kDrop});
  run(reactor, faulty_receive(a, make_fault_transport(b, plan)));
}

Task<void> received_keeps_its_charge(TransportPtr clean, TransportPtr faulty) {
  const auto budget = MemoryBudget::make(64u << 20);
  const auto account = budget->open_account("");
  account->became_known("user");
  const uint64_t before = account->used();
  faulty->set_account(account);
  faulty->set_receive_limit(1 << 20);
  clean->send(frame_of(Bytes(1 << 20)));
  {
    const auto message = co_await faulty->receive();
    EXPECT_TRUE(message);
    EXPECT_GT(account->used(), before);
  }
  EXPECT_EQ(account->used(), before);
}

TEST(FaultTransport, WhatIsReceivedKeepsItsCharge) {
  Reactor reactor;
  auto [a, b] = make_memory_transports(reactor, reactor);
  run(reactor,
      received_keeps_its_charge(
          a, make_fault_transport(b, FaultPlan([](const auto&) { return FaultAction{}; }))));
}

Task<void> dropped_is_unacknowledged(TransportPtr clean, TransportPtr faulty) {
  const uint64_t first = faulty->send(frame_of({1}));
  const uint64_t second = faulty->send(frame_of({2}));
  EXPECT_TRUE(co_await clean->receive());
  const uint64_t acknowledged = faulty->bytes_acknowledged();
  EXPECT_GE(acknowledged, first);
  EXPECT_LT(acknowledged, second);
}

TEST(FaultTransport, DroppedFrameIsNeverAcknowledged) {
  Reactor reactor;
  auto [a, b] = make_memory_transports(reactor, reactor);
  auto plan = at_frame(Direction::kSend, 1, {.kind = FaultAction::Kind::kDrop});
  run(reactor, dropped_is_unacknowledged(a, make_fault_transport(b, plan)));
}

}  // namespace
}  // namespace braid::transport
