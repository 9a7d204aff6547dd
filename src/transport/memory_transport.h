// MemoryTransport: two ends in one process, for tests and fuzzers.
#pragma once

#include <utility>

#include "transport/transport.h"

namespace braid::transport {

// What one end sends the other receives, on its own reactor; both may be the same one. Frames keep
// their boundaries, also those sent with Framing::kNone. A frame counts as acknowledged when the
// other end has received it. close() of either end closes both: messages already sent are still
// received, then comes kConnectionDisconnected.
// Thread: any.
std::pair<TransportPtr, TransportPtr> make_memory_transports(Reactor& first, Reactor& second);

}  // namespace braid::transport
