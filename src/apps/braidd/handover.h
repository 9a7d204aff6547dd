// Handover: connections on their way from the front to one worker, and back for another.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "apps/braidd/limits.h"
#include "apps/braidd/link.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fair_shares.h"
#include "base/peer_address.h"
#include "base/unique_fd.h"

namespace braid::braidd {

// A worker acknowledges a connection before it looks at it. So what was acknowledged is the
// worker's alone, and what was not has been seen by nobody: when the worker dies, the next one gets
// exactly the rest, and no request is lost or answered twice.
//
// Owned by the Front. Thread: the Front's.
class Handover {
 public:
  explicit Handover(const FrontLimits& limits) : limits_(limits), shares_(limits.handovers_max) {}

  // A new link: to a worker just started, or after this front was. Everything not acknowledged
  // will be sent on it.
  void connect(UniqueFd link);
  // -1 while there is no worker.
  int link() const { return link_.get(); }

  // `kind`: one of those with a socket, front to worker. False when too many wait already, or so
  // many of its address that others would find no place; the connection is dropped.
  bool add(MessageKind kind, UniqueFd socket, Buffer first_frame, Clock::Instant now);
  // Sends what can be sent, in order. Losing the link on the way is no error: connect() follows.
  void send();
  // Takes acknowledgements and what the worker passes on; notices that the worker is gone.
  void receive();
  // All that was not acknowledged, for another front. REQUIRES: receive() has been called, and
  // nothing else is from now on.
  struct Waiting {
    uint64_t number;
    MessageKind kind;
    UniqueFd socket;
    PeerAddress address;
    Buffer first_frame;
    Clock::Instant deadline;
  };
  std::deque<Waiting> take_waiting() { return std::move(waiting_); }
  std::vector<Message> take_passed_on() { return std::exchange(passed_on_, {}); }
  // Drops those that waited too long; how many.
  size_t expire(Clock::Instant now);

  // True when send() stopped for lack of room, and the link should be watched for it.
  bool wants_room() const { return wants_room_; }
  bool empty() const { return waiting_.empty(); }
  std::optional<Clock::Instant> next_deadline() const;

 private:
  using Queue = std::deque<Waiting>;
  void disconnect();
  void erase(Queue::iterator waiting);

  const FrontLimits limits_;
  UniqueFd link_;
  FairShares<PeerAddress> shares_;
  Queue waiting_;  // the first sent_ of them are sent and not acknowledged
  size_t sent_ = 0;
  std::vector<Message> passed_on_;
  bool wants_room_ = false;
  uint64_t next_number_ = 0;
};

}  // namespace braid::braidd
