// FaultTransport: another transport with faults at chosen places.
#pragma once

#include <functional>

#include "transport/transport.h"

namespace braid::transport {

enum class Direction : uint8_t { kSend, kReceive };

// Where a frame stands, counted from 0 for each direction.
struct FramePlace {
  Direction direction;
  uint64_t frame;       // frames before this one
  uint64_t first_byte;  // bytes before this one, without framing
  size_t size;
};

// What happens to one frame.
struct FaultAction {
  enum class Kind : uint8_t {
    kPass,
    kDrop,      // never arrives; the stream goes on
    kTruncate,  // only its first `keep` bytes arrive
    kDelay,     // arrives `delay` later, and so does everything behind it
    kClose,     // the transport is closed instead
  };
  Kind kind = Kind::kPass;
  size_t keep = 0;
  std::chrono::nanoseconds delay{};
};

// Asked once for every frame, in order, on the reactor's thread. Use a seeded generator inside for
// random faults.
using FaultPlan = std::function<FaultAction(const FramePlace&)>;

// One fault and nothing else.
FaultPlan at_frame(Direction direction, uint64_t frame, FaultAction action);
// Closes instead of passing the frame that holds the byte.
FaultPlan close_at_byte(Direction direction, uint64_t byte);

// `inner` must not be used by anybody else any more. Thread: as `inner`, but send() on the
// reactor's own thread only.
TransportPtr make_fault_transport(TransportPtr inner, FaultPlan plan);

}  // namespace braid::transport
