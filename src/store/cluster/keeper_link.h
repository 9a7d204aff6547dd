// What a worker and the keeper of its node say to each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

#include "base/result.h"
#include "base/unique_fd.h"
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

// One end of it. Nobody waits for the other end to take something: what that has no room for yet is
// kept, and goes when it has, while somebody is in receive(). Thread: any; receive() one at a time.
class KeeperLink {
 public:
  // A worker has as many requests, and each is told once. Who is that far behind takes nothing any
  // more.
  static constexpr size_t kKeptMax = 1'000'000;

  explicit KeeperLink(UniqueFd link);
  KeeperLink(const KeeperLink&) = delete;
  KeeperLink& operator=(const KeeperLink&) = delete;

  // What cannot be sent for ever is lost: receive() fails then, too.
  void send(const KeeperMessage& message);
  // Waits for one. EPIPE: the other end, with the supervisor's, is closed. ENOBUFS: it takes
  // nothing. ECANCELED: after stop().
  Result<KeeperMessage> receive();
  // Thread: any.
  void stop();

 private:
  enum class Sent : uint8_t { kDone, kNoRoom, kNever };
  Sent try_to_send(const KeeperMessage& message);
  void send_kept();

  const UniqueFd link_;
  const UniqueFd woken_;
  std::mutex mutex_;
  std::deque<KeeperMessage> kept_;
  bool is_stopped_ = false;
};

}  // namespace braid::store::cluster
