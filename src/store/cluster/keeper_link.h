// What a worker and the keeper of its node say to each other.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "store/record_store.h"

namespace braid::store::cluster {

// Over a SOCK_SEQPACKET socket of which the supervisor keeps both ends, so that either of the two
// may be started again. Both are the same program: bytes are as they are in memory.
struct KeeperMessage {
  enum class Kind : uint64_t {
    kBegin,   // worker: it has started; number: its own, of this life; more: its process
    kJoined,  // keeper: the others know of it; number: that one; more: the number of the node
    kBring,   // worker: the record is to come
    kHere,    // keeper: it has
    kUsed,    // worker: it has been used, and may go again
    kRoster,  // keeper: a worker of another node began or ended; number: of which
  };

  Kind kind{};
  RecordKey key{};
  uint64_t number = 0;
  uint64_t more = 0;
};

// Waits for room.
Result<void> send(int link, const KeeperMessage& message);
// Waits for one. EPIPE: the other end, with the supervisor's, is closed.
Result<KeeperMessage> receive(int link);

}  // namespace braid::store::cluster
