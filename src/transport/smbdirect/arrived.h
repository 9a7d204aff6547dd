// Arrived: somebody who connects over a network card with RDMA, from whatever listens.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "transport/smbdirect/queue_pair.h"
#include "transport/socket_address.h"

namespace braid::transport::smbdirect {

// What he sends first finds the receives that were posted before he was accepted. Who lets go of
// the pair turns him away, or ends the connection.
struct Arrived {
  std::unique_ptr<QueuePair> pair;
  SocketAddress peer;
  SocketAddress local;
  // Once at most, while the pair is there. Null: he is accepted by whoever listens.
  std::move_only_function<void()> accept = nullptr;
  // The packets that he sent to whoever had the pair before (Lobby), for TransportOptions.
  std::vector<Bytes> heard = {};
};

}  // namespace braid::transport::smbdirect
