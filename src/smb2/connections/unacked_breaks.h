// UnackedBreaks: breaks that a connection sent, while their arrival or their answer is not certain.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "filestate/types.h"
#include "runtime/one_shot.h"
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
// break has arrived when the peer acknowledged it, and while one is out the transport finds out
// whether the peer still acknowledges anything, and aborts if not.
// What has arrived at the peer's transport may still not reach the client, if the connection is
// reset first. So a break that has arrived and not been answered is handed on when it ends.
// Owned by a Connection. Thread: the transport's reactor.
class UnackedBreaks {
 public:
  struct Answers {
    // Whether the client's acknowledgement of the break is still awaited.
    std::function<bool(const filestate::Break&)> are_awaited;
    // The connection ended without one.
    std::function<void(const filestate::Break&)> will_not_come;
  };

  UnackedBreaks(transport::TransportPtr transport, Answers answers);

  // `end`: what send() returned for the break.
  void add(uint64_t end, DeliveryOutcome outcome, const filestate::Break& notification);
  // The connection is over: what has not arrived is lost, now and in every later add(). REQUIRED
  // before it goes once something was added.
  void close();

 private:
  static constexpr size_t kUnansweredMin = 16;

  struct Break {
    uint64_t end;
    DeliveryOutcome outcome;
    filestate::Break notification;
  };

  void settle(uint64_t acknowledged);
  void arrived(const Break& which);

  const transport::TransportPtr transport_;
  const Answers answers_;
  std::vector<Break> breaks_;
  std::vector<filestate::Break> unanswered_;  // arrived; those that were answered meanwhile, too
  size_t look_through_at_ = kUnansweredMin;   // so many of them, for those that were
  bool closed_ = false;
};

}  // namespace braid::smb2
