// A network card with RDMA for tests, made of TCP: queue pairs whose two ends are two processes.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/result.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "transport/smbdirect/arrived.h"

namespace braid::transport::smbdirect {

// What a card does is done by the peer's process: keys, bounds and access are checked there, and a
// completion comes when it has said so. A send waits for a receive, and everything is flushed when
// the connection is lost. The peer is believed no more than one of a network; but there is neither
// a protection against strangers nor speed, so nothing but a test has a use for it.
//
// Thread: the reactor's, where all of it lives.

class TcpCardListener {
 public:
  virtual ~TcpCardListener() = default;
  // As bound: also the port that the system chose where none was given.
  virtual SocketAddress address() const = 0;

  static Result<std::unique_ptr<TcpCardListener>> make(
      Reactor& reactor, const SocketAddress& address,
      std::move_only_function<void(Arrived)> on_arrival);
};

// The error is the system's, or ECONNREFUSED: who listens has not accepted. `from`: this end's
// address, if it matters.
Task<Result<std::unique_ptr<QueuePair>>> connect_tcp_card(Reactor& reactor, SocketAddress address,
                                                          std::chrono::milliseconds timeout,
                                                          SocketAddress from = {});

}  // namespace braid::transport::smbdirect
