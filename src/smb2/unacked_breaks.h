// UnackedBreaks: breaks that a connection sent, while their arrival or their answer is not certain.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "filestate/types.h"
#include "runtime/one_shot.h"
#include "runtime/reactor.h"
#include "transport/transport.h"

namespace braid::smb2 {

// What became of a break.
enum class Delivery : uint8_t {
  kArrived,  // the peer's transport has acknowledged its last byte
  kLost,     // the connection ended before
};
using DeliveryOutcome = std::shared_ptr<OneShot<Delivery>>;

// [MS-SMB2] 3.3.4.6 and 3.3.4.7 want another connection tried when sending fails, and a send() that
// succeeded says nothing: the bytes may wait behind others, or be on a link that is gone. So a
// break has arrived when the peer acknowledged it. A peer that acknowledges nothing at all for
// kRetransmissionsMax times the retransmission time-out is gone, and its connection is aborted;
// one that only reads slowly is not. Silence from before the break counts, but for the last of
// those times: a link that has just come back has it to show that.
// What has arrived at the peer's transport may still not reach the client, if the connection is
// reset first. So a break that has arrived and not been answered is handed on when it ends.
// Owned by a Connection. Thread: the transport's reactor. The timer runs only while breaks are out.
class UnackedBreaks {
 public:
  static constexpr int kRetransmissionsMax = 6;
  // The time-out is what the transport measured, held to this: shorter would judge by the peer's
  // delayed acknowledgements, longer would leave no time for other channels within a break's 35 s.
  static constexpr std::chrono::milliseconds kTimeoutMin{200};
  static constexpr std::chrono::milliseconds kTimeoutMax{1000};

  struct Answers {
    // Whether the client's acknowledgement of the break is still awaited.
    std::function<bool(const filestate::Break&)> are_awaited;
    // The connection ended without one.
    std::function<void(const filestate::Break&)> will_not_come;
  };

  UnackedBreaks(transport::TransportPtr transport, Answers answers);

  // `end`: what send() returned for the break.
  void add(uint64_t end, DeliveryOutcome outcome, const filestate::Break& notification);
  // The connection is over: what has not arrived is lost, now and in every later add().
  void close();
  // A break is out and the last check saw no progress. Thread: any.
  bool is_suspect() const { return is_suspect_; }

 private:
  static constexpr size_t kUnansweredMin = 16;

  struct Break {
    uint64_t end;
    DeliveryOutcome outcome;
    filestate::Break notification;
  };

  uint64_t acknowledged() const;
  void settle(uint64_t acknowledged);
  void arrived(const Break& which);
  void start_timer();
  void check();

  const transport::TransportPtr transport_;
  const Answers answers_;
  std::optional<Timer> timer_;  // while the connection lives
  std::vector<Break> breaks_;
  std::vector<filestate::Break> unanswered_;  // arrived; those that were answered meanwhile, too
  size_t look_through_at_ = kUnansweredMin;   // so many of them, for those that were
  bool closed_ = false;
  std::chrono::microseconds timeout_{};  // of this series of checks
  uint64_t acknowledged_ = 0;            // at the last check
  int checks_without_progress_ = 0;
  std::atomic<bool> is_suspect_ = false;
};

}  // namespace braid::smb2
