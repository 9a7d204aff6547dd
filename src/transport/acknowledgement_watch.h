// AcknowledgementWatch: finds out by looking whether a peer still acknowledges what it was sent.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include "runtime/reactor.h"
#include "transport/socket_address.h"
#include "transport/transport.h"

namespace braid::transport {

// Transport::watch_acknowledgements() for a stream that tells nobody when something arrives, as
// TCP. A peer that acknowledges nothing at all for kRetransmissionsMax times the retransmission
// time-out is gone, and the stream is aborted; one that only takes slowly is not. Silence from
// before the watch counts, but for the last of those times: a link that has just come back has it
// to show that.
// Part of a transport. Thread: its reactor's, but for is_suspect(). The timer runs only while
// somebody watches.
class AcknowledgementWatch {
 public:
  static constexpr int kRetransmissionsMax = 6;
  // The time-out is what the transport measured, held to this: shorter would judge by the peer's
  // delayed acknowledgements, longer would leave no time for other ways to a client within the 35 s
  // that it has to answer a break.
  static constexpr std::chrono::milliseconds kTimeoutMin{200};
  static constexpr std::chrono::milliseconds kTimeoutMax{1000};

  // What is looked at: a Transport that can say two things more.
  class Stream {
   public:
    virtual uint64_t bytes_acknowledged() const = 0;
    // How long the peer may take to acknowledge before something is sent again for the first time.
    virtual std::chrono::microseconds retransmission_timeout() const = 0;
    // For at least how long it has acknowledged nothing, as far as that is known from what had to
    // be sent again.
    virtual std::chrono::microseconds silence() const = 0;
    virtual SocketAddress peer() const = 0;
    virtual void abort() = 0;

   protected:
    ~Stream() = default;
  };

  AcknowledgementWatch(Reactor& reactor, Stream& stream) : reactor_(reactor), stream_(stream) {}

  // As Transport::watch_acknowledgements().
  void set(AcknowledgementLook look);
  // The last look saw no progress. Thread: any.
  bool is_suspect() const { return is_suspect_; }

 private:
  void start_timer();
  void check();

  Reactor& reactor_;
  Stream& stream_;
  AcknowledgementLook look_;
  std::optional<Timer> timer_;           // made by the first watch
  std::chrono::microseconds timeout_{};  // of this watch
  uint64_t acknowledged_ = 0;            // at the last check
  int checks_without_progress_ = 0;
  std::atomic<bool> is_suspect_ = false;
};

}  // namespace braid::transport
