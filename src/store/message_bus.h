// MessageBus: short messages between workers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/bytes.h"
#include "base/unique_fd.h"
#include "store/worker_tag.h"

namespace braid::store {

// Who a message is for: each topic has one handler in each worker.
enum class Topic : uint8_t {
  kRecords,    // filestate: a record holds something for you
  kChanges,    // smb2: files and directories changed, for clients that watch
  kSessions,   // smb2: sessions that end because their client logged on again elsewhere
  kLogons,     // smb2: failed logons
  kOpens,      // smb2: opens of applications that moved to another client
  kClaims,     // smb2: disconnected opens that a client of another worker comes back for
  kDeletions,  // smb2: files that are deleted to make way
  kBinds,      // smb2: connections that another worker's session is to be bound to
  kCount,
};

struct BusMessage {
  WorkerTag from;
  ByteView payload;  // valid while the handler runs
  UniqueFd fd;
};

// Messages of one sender to one receiver arrive in order, whole or not at all. A receiver that is
// behind misses messages and is told so; one that died, too. So what must not be lost is in
// records, and a message only says where to look. Thread: send() and broadcast() any, and they
// never block.
class MessageBus {
 public:
  // Three of the longest paths, in UTF-8.
  static constexpr size_t kPayloadMax = 320'000;

  using Handler = std::function<void(BusMessage&)>;

  virtual ~MessageBus() = default;
  // Before the first message is taken. Handlers run on a thread of the bus, one at a time.
  // `missed`: messages for any topic may have been lost.
  virtual void handle(Topic topic, Handler handler, std::function<void()> missed) = 0;
  // False: it is behind, there is none, or the message is too large. Sending to oneself is allowed.
  virtual bool send(size_t worker, Topic topic, ByteView payload, int fd = -1) = 0;
  // To every other worker that lives.
  virtual void broadcast(Topic topic, ByteView payload) = 0;
};

}  // namespace braid::store
