// connect(): a connection to a peer with RDMA.
#pragma once

#include <chrono>
#include <memory>

#include "base/result.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "transport/smbdirect/queue_pair.h"
#include "transport/socket_address.h"
#include "verbs/devices.h"

namespace braid::verbs {

struct Connected {
  std::unique_ptr<transport::smbdirect::QueuePair> pair;
  transport::SocketAddress peer;
  transport::SocketAddress local;
};

// [MS-SMBD] 3.1.4.1 "Connecting to the Peer", without the negotiation. ECONNREFUSED: nobody
// listens, or the peer rejects it. ENODEV: no card has a way there. Both references outlive the
// pair. Thread: the reactor's.
Task<Result<Connected>> connect(Devices& devices, Reactor& reactor,
                                transport::SocketAddress address,
                                std::chrono::milliseconds timeout);

}  // namespace braid::verbs
