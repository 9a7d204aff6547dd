// CardEnd: a worker, as the process with the network cards has it.
#pragma once

#include <array>
#include <functional>
#include <memory>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/reactor.h"
#include "transport/relay/messages.h"
#include "transport/smbdirect/arrived.h"

namespace braid::transport::relay {

// Carries out what the worker orders, with the queue pairs that were given to it, and says what has
// completed. Of what comes over the network it reads nothing. A worker reaches its own queue pairs
// and its own memory, and harms nobody else: what it orders beyond those ends it. It is read no
// faster than it reads.
//
// Held by std::shared_ptr. Thread: the reactor's.
class CardEnd {
 public:
  static constexpr size_t kDescriptors = 4;  // of WorkerEnd::descriptors()
  // Connections of one worker, and what they may have posted.
  static constexpr size_t kPairsMax = relay::kPairsMax;
  static constexpr size_t kReceivesMax = 512;

  // `pool_size`: of the worker's memory. `broken`: the worker talks nonsense; called once, on the
  // reactor. Fails when the descriptors are not what they should be.
  static Result<std::shared_ptr<CardEnd>> make(Reactor& reactor,
                                               std::array<UniqueFd, kDescriptors> descriptors,
                                               uint64_t pool_size,
                                               std::move_only_function<void()> broken);
  virtual ~CardEnd() = default;

  virtual void listening(const SocketAddress& address) = 0;
  // To be accepted by the worker. Dropped where there are too many, or of one peer, or where the
  // card cannot have the worker's memory, which the log says.
  virtual void arrived(smbdirect::Arrived arrived) = 0;
  // Ends all connections. Idempotent.
  virtual void close() = 0;
};

}  // namespace braid::transport::relay
