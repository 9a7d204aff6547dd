// What a worker and the process with the network cards tell each other through their rings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "transport/smbdirect/queue_pair.h"
#include "transport/socket_address.h"

namespace braid::transport::relay {

// Bytes of each direction's ring, and of the longest message in it: somebody has arrived, with all
// that a Lobby has heard of him.
inline constexpr size_t kRingCapacity = size_t{256} << 10;
inline constexpr size_t kMessageMax = 10 * 1024;
// Queue pairs that a worker has at most, until the card has let go of them. Each side counts.
inline constexpr size_t kPairsMax = 256;

// From the worker: what is to be done with a queue pair, whose number it was told. Memory is a
// place in the worker's Pool.
struct Order {
  enum class Kind : uint8_t {
    kReceive = 1,
    kSend,
    kRead,
    kWrite,
    kAccept,      // who arrived; what was ordered before is posted by then
    kDisconnect,  // QueuePair::disconnect()
    kRelease,     // the worker has no use for it any more
  };
  Kind kind{};
  uint32_t pair = 0;
  uint64_t at = 0;
  uint32_t size = 0;
  std::optional<uint32_t> invalidate = {};   // of kSend
  smbdirect::QueuePair::Remote remote = {};  // of kRead and kWrite

  Bytes encode() const;
  static Result<Order> decode(ByteView message);
  bool operator==(const Order&) const = default;
};

// To the worker. A completion is that of the oldest receive, or of the oldest request, of its pair.
struct Notice {
  enum class Kind : uint8_t {
    kListening = 1,  // on `local` from now on
    kArrived,
    kReceived,
    kRequested,  // a send, read or write is done
    kReleased,   // the card has let go of all that the pair had
  };
  Kind kind{};
  uint32_t pair = 0;
  smbdirect::QueuePair::Status status = smbdirect::QueuePair::Status::kDone;
  uint32_t size = 0;  // of kReceived; of kArrived: how many requests there may be
  std::optional<uint32_t> invalidated = {};  // of kReceived
  SocketAddress local = {};                  // of kListening and kArrived
  SocketAddress peer = {};                   // of kArrived
  std::vector<Bytes> heard = {};             // of kArrived: Arrived::heard

  Bytes encode() const;
  static Result<Notice> decode(ByteView message);
};

}  // namespace braid::transport::relay
