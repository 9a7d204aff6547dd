// TcpTransport: SMB2 over TCP.
#pragma once

#include "transport/limits.h"
#include "transport/transport.h"

namespace braid::transport {

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
// A peer that takes nothing of what waits for it for `takes_nothing_max` is dropped, ETIMEDOUT;
// when memory is short, after a sixth of that. Thread: any.
TransportPtr make_tcp_transport(Reactor& reactor, int fd, ByteView already_received = {},
                                std::chrono::nanoseconds takes_nothing_max = kTakesNothingMax);

// Connects and makes the transport on `reactor`. Errors: those of connect(2) as kOs, ETIMEDOUT
// after `timeout`. REQUIRES: reactor.is_current().
Task<Result<TransportPtr>> connect_tcp(Reactor& reactor, SocketAddress address,
                                       std::chrono::nanoseconds timeout = std::chrono::seconds(10));

}  // namespace braid::transport
