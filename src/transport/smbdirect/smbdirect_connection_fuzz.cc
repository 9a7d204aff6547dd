// A peer that sends any packets, at any time, to either side of a connection; and on the first
// byte's word a negotiation before, so that the rest need not guess it. What the connection takes,
// posts and sends stays within its limits whatever comes.
#include <algorithm>
#include <cstdlib>

#include "transport/smbdirect/connection.h"

namespace {

using namespace braid;
using namespace braid::transport::smbdirect;

constexpr size_t kLimit = 10'000;

void check(bool condition) {
  if (!condition) std::abort();
}

// Drives one end, with a card that sends at once.
class Driver {
 public:
  Driver(Role role, const Settings& settings)
      : settings_(settings), connection_(role, settings, now_), packet_(settings.max_send_size) {
    connection_.set_receive_limit(kLimit);
    pump();
  }

  void receive(ByteView packet) {
    if (connection_.receives_posted() == 0) return;
    const auto fragment = connection_.received(packet, now_);
    if (fragment) {
      const size_t needed = connection_.memory_needed(*fragment);
      const auto message = connection_.assemble(*fragment);
      check(!message || needed <= kLimit);
      check(!message || !*message || (*message)->data.size() <= kLimit);
    }
    pump();
  }
  void send(size_t size) {
    if (connection_.unsent() > kLimit) return;
    transport::OutFrame frame;
    frame.head.resize(size);
    (void)connection_.send(std::move(frame));
    pump();
  }
  void pass(std::chrono::milliseconds time) {
    now_ += time;
    if (const auto deadline = connection_.deadline(); deadline && *deadline <= now_) {
      connection_.expire(now_);
    }
    pump();
  }
  void hold_back(bool hold) {
    connection_.hold_back(hold);
    pump();
  }

 private:
  void pump() {
    for (;;) {
      connection_.posted(connection_.receives_wanted());
      check(connection_.receives_posted() <= settings_.receive_credit_max + 1u);
      check(connection_.receive_credits() <= connection_.receives_posted());
      const auto made = connection_.next_packet(packet_, now_);
      if (!made) break;
      check(made->size <= packet_.size() && made->position <= connection_.queued());
    }
    check(connection_.ended() || connection_.deadline());
  }

  const Settings settings_;
  Connection::Instant now_{};
  Connection connection_;
  Bytes packet_;
};

template <class T>
Bytes encoded(const T& message) {
  Bytes out;
  wire::Writer writer(out);
  message.encode(writer);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const bool is_active = (data[0] & 1) != 0;
  Settings settings;
  settings.receive_credit_max = 20;
  settings.max_fragmented_recv_size = kFragmentedSizeMin;
  Driver driver(is_active ? Role::kActive : Role::kPassive, settings);
  if ((data[0] & 2) != 0 && is_active) {
    driver.receive(encoded(wire::smbdirect::NegotiateResponse{.negotiated_version = 0x0100,
                                                              .credits_requested = 30,
                                                              .credits_granted = 10,
                                                              .max_read_write_size = 1 << 20,
                                                              .preferred_send_size = 1024,
                                                              .max_receive_size = 1024,
                                                              .max_fragmented_size = 1 << 20}));
  } else if ((data[0] & 2) != 0) {
    driver.receive(encoded(wire::smbdirect::NegotiateRequest{.credits_requested = 30,
                                                             .preferred_send_size = 1024,
                                                             .max_receive_size = 1024,
                                                             .max_fragmented_size = 1 << 20}));
  }
  ByteView rest(data + 1, size - 1);
  while (rest.size() >= 2) {
    const uint8_t what = rest[0];
    const size_t number = rest[1];
    rest = rest.subspan(2);
    switch (what % 5) {
      case 0:
      case 1: {
        const size_t some = std::min(number, rest.size());
        driver.receive(rest.first(some));
        rest = rest.subspan(some);
        break;
      }
      case 2:
        driver.send(number * 20);
        break;
      case 3:
        driver.pass(std::chrono::milliseconds(number * 500));
        break;
      case 4:
        driver.hold_back((number & 1) != 0);
        break;
    }
  }
  return 0;
}
