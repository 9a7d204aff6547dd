// SlowRequests: those of one connection that wait for a disk.
#pragma once

#include <optional>
#include <vector>

#include "base/ids.h"
#include "runtime/reactor.h"

namespace braid::smb2 {

class Request;

// Sends the interim response of requests that take longer than kSlowRequestTick; [MS-SMB2] 3.3.4.2
// "Sending an Interim Response for an Asynchronous Operation". Owned by the Connection. Thread: its
// reactor. The timer runs only while there are such requests.
class SlowRequests {
 public:
  explicit SlowRequests(Reactor& reactor) : reactor_(reactor) {}

  void add(Request& request);
  // REQUIRES: it was added.
  void remove(Request& request);
  // Of one that does not wait for breaks yet: it is not to begin with it.
  void cancel(MessageId id);
  // The connection is over; on the reactor, as the timer's end has to be.
  void close() { timer_.reset(); }

 private:
  struct Watched {
    Request* request;
    bool seen = false;  // at an earlier tick
  };

  void start_timer();
  void tick();

  Reactor& reactor_;
  std::vector<Watched> watched_;  // each request knows its place
  std::optional<Timer> timer_;
  bool is_ticking_ = false;
};

}  // namespace braid::smb2
