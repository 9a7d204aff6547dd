// SMB Direct as a Transport, in the process that has the network card.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "transport/smbdirect/connection.h"
#include "transport/smbdirect/queue_pair.h"
#include "transport/transport.h"

namespace braid::transport::smbdirect {

struct TransportOptions {
  Settings settings;
  SocketAddress peer;
  SocketAddress local;
  const Clock* clock = &system_clock();  // outlives the transport
  // Arrived::heard: the packets of a Lobby with the same settings, from which this goes on. What
  // cannot have been so ends the transport, malformed.
  std::vector<Bytes> heard = {};
};

// Over a connected queue pair, on which nothing is posted. It negotiates by itself: what is
// sent before goes afterwards, and when it fails receive() says so.
//
// Positions count the bytes of messages alone. A frame is acknowledged when the card says that the
// peer's has its last packet. An empty frame, or one longer than the peer takes, ends the transport
// (kInvalidParameter, kInvalidBufferSize). A peer that is gone is found by the card, which then
// flushes, and by Connection's timers. Charged to the account: its receives, and each message from
// its first fragment on; while there is no memory, or kUnreadMax waits to be read, the peer is held
// back.
TransportPtr make_smbdirect_transport(Reactor& reactor, std::unique_ptr<QueuePair> pair, Role role,
                                      TransportOptions options = {});

}  // namespace braid::transport::smbdirect
