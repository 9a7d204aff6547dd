// TcpTransport: SMB2 over TCP.
#pragma once

#include "base/unique_fd.h"
#include "transport/limits.h"
#include "transport/transport.h"

namespace braid::transport {

struct TcpOptions {
  // A peer that takes nothing of what waits for it for so long is dropped, ETIMEDOUT; when memory
  // is short, after a sixth of that.
  std::chrono::nanoseconds takes_nothing_max = kTakesNothingMax;
  // Longer for tests that count on connections which nobody uses.
  std::chrono::seconds keepalive_idle = kKeepaliveIdle;
};

// Direct TCP frames: one type byte (0), 24 bits of length. [MS-SMB2] 2.1 "Transport"; of [RFC1002]
// 4.3 the keep-alive is ignored.
//
// Takes over `fd`, a connected stream socket, and makes it non-blocking. `already_received` are the
// bytes that somebody else has read from it, framing included: the first NEGOTIATE, when a front
// process accepted the connection.
//
// System calls: small messages that came together are read together, and what is answered while
// more of them wait is sent together. A large message is received into its own Buffer.
//
// Acknowledged is what the peer's TCP has (SIOCOUTQ), found by looking now and then: see
// AcknowledgementWatch. Thread: any.
TransportPtr make_tcp_transport(Reactor& reactor, int fd, ByteView already_received = {},
                                TcpOptions options = {});

// The same for a connection whose reactor is not chosen yet.
MakeTransport over_tcp(UniqueFd socket, TcpOptions options = {}, Bytes already_received = {});

// Connects and makes the transport on `reactor`. Errors: those of connect(2) as kOs, ETIMEDOUT
// after `timeout`. REQUIRES: reactor.is_current().
Task<Result<TransportPtr>> connect_tcp(Reactor& reactor, SocketAddress address,
                                       std::chrono::nanoseconds timeout = std::chrono::seconds(10));

}  // namespace braid::transport
