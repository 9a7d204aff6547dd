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
  kPromises,   // smb2: persistent opens of a file in which another worker has changed something
  kCount,
};

// Topics of one lane share room, and their messages to one receiver keep their order. What clients
// can make fill one lane leaves no less room in the other.
enum class Lane : uint8_t {
  kControl,
  kChanges,  // as many and as long as files are changed
  kCount,
};
constexpr Lane lane_of(Topic topic) {
  return topic == Topic::kChanges ? Lane::kChanges : Lane::kControl;
}

// What becomes of a message for which there is no room now.
enum class IfFull : uint8_t {
  kMiss,         // lost, and the receiver is told that it missed one of this topic
  kWaitBounded,  // it waits in the sender, if no more than kWaitingMax do; else as kMiss
  kWait,         // it waits. Only for what is bounded otherwise
};

struct BusMessage {
  WorkerTag from;
  ByteView payload;  // valid while the handler runs
  UniqueFd fd;
  bool is_fd_lost = false;  // it came with one, for which this process had no room
};

// Messages of one sender to one receiver and lane arrive in order, whole or not at all. A receiver
// that is behind misses those that did not wait and is told so, whose topic they were; one that
// died misses all. So what must outlive a worker is in records, and a message only says where to
// look. Thread: send(), broadcast() and want_room() any, and they never block.
class MessageBus {
 public:
  // Bytes of messages to one receiver that wait in the sender, of one lane.
  static constexpr size_t kWaitingMax = 8u << 20;
  // Three of the longest paths, in UTF-8.
  static constexpr size_t kPayloadMax = 320'000;

  using Handler = std::function<void(BusMessage&)>;

  virtual ~MessageBus() = default;
  // Before the first message is taken. Handlers run on a thread of their lane, one at a time.
  // `missed`: messages of this topic were lost, or will not come as their sender has ended.
  virtual void handle(Topic topic, Handler handler, std::function<void()> missed) = 0;
  // For a topic of which the sender tells itself what was lost, so nobody is told `missed` by
  // send(). `has_room(worker)` is called on the thread of the lane, after want_room(), once nothing
  // waits for that worker and there is room again.
  // If this worker ends before that, the other is told `missed`. Before the first message.
  virtual void on_room(Topic topic, std::function<void(size_t worker)> has_room) = 0;
  virtual void want_room(size_t worker, Topic topic) = 0;
  // False: it is lost; there is none, it is too large, or see `if_full`. Sending to oneself is
  // allowed. `fd` is duplicated, and goes no further than this machine: elsewhere the message
  // comes as if it was lost.
  virtual bool send(size_t worker, Topic topic, ByteView payload, int fd = -1,
                    IfFull if_full = IfFull::kMiss) = 0;
  // To every other worker that lives.
  virtual void broadcast(Topic topic, ByteView payload, IfFull if_full = IfFull::kMiss) = 0;
};

}  // namespace braid::store
