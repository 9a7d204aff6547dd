// QueuePair: what a network card with RDMA does for one connection, as verbs have it.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/smbdirect/messages.h"

namespace braid::transport::smbdirect {

// A connected, reliable queue pair, with completions of its own. What is posted takes its time, and
// its completion says when it is done:
//   - receives are used in the order in which they were posted, and so complete;
//   - sends, reads and writes begin in the order in which they were posted, and so complete;
//   between
//     these and receives there is no order;
//   - what a write or a send has brought is there when a later send of the same side is received;
//   - a send for which the peer has no receive waits for one, for some time;
//   - after the first that fails the connection is lost, and everything posted is flushed: there is
//     a completion for each, also after disconnect().
// Memory that is posted must stay until its completion, and stand in a Buffer of memory(): what the
// card does not reach fails to be posted, EFAULT.
//
// Owned by its driver. Thread: one at a time, but for the callback of when_completed().
class QueuePair {
 public:
  enum class Kind : uint8_t { kReceive, kSend, kRead, kWrite };
  enum class Status : uint8_t {
    kDone,
    kFlushed,           // not done: the connection was lost
    kLengthError,       // a packet larger than its receive
    kReceiverNotReady,  // the peer had no receive for too long
    kRemoteRefused,     // a key that the peer did not give, or not for this, or beyond its bounds
  };
  struct Completion {
    uint64_t id;  // as it was posted
    Kind kind;
    Status status;
    size_t size = 0;                           // of a receive: bytes received
    std::optional<uint32_t> invalidated = {};  // of a receive: a key of this side's
  };
  // What the peer may do with memory.
  struct PeerMay {
    static constexpr uint8_t kRead = 1;
    static constexpr uint8_t kWrite = 2;
  };
  using Remote = wire::smbdirect::BufferDescriptorV1;

  virtual ~QueuePair() = default;

  // Memory that the card reaches, also when the pair is gone; or that it does not, when there is
  // none. Thread: any.
  virtual Buffer memory(size_t size) = 0;
  // Whether it does. Thread: any.
  virtual bool reaches(ByteView memory) const = 0;
  // Calls back with some that it does, when there is, or with other memory when there never is so
  // much. Thread: any, for the callback too.
  virtual void when_memory(size_t size, std::move_only_function<void(Buffer)> callback) {
    callback(memory(size));
  }
  // Lets the card reach memory that is its caller's, for this side alone, until all of what is
  // returned for it is gone. That outlives each pair that has some of it posted.
  virtual Result<std::shared_ptr<void>> reach(MutableByteView) { return fail_os(ENOTSUP); }

  // Each fails when the queue is full, ENOMEM, or the connection is lost, ENOTCONN.
  virtual Result<void> post_receive(uint64_t id, MutableByteView to) = 0;
  virtual Result<void> post_send(uint64_t id, ByteView from,
                                 std::optional<uint32_t> invalidate) = 0;
  // One piece of the peer's memory, `remote.length` bytes: so many as the local memory has.
  virtual Result<void> post_read(uint64_t id, MutableByteView to, const Remote& remote) = 0;
  virtual Result<void> post_write(uint64_t id, ByteView from, const Remote& remote) = 0;

  // Fills in what has completed, and says how many.
  virtual size_t poll(std::span<Completion> into) = 0;
  // Calls back once, on any thread, when there is something to poll: at once if there is already.
  // Replaces one that waits.
  virtual void when_completed(std::move_only_function<void()> callback) = 0;

  // Lets the peer reach `memory` (PeerMay), until unregister() or until the peer invalidates the
  // key, which a receive's completion says.
  virtual Result<Remote> register_memory(MutableByteView memory, uint8_t access) = 0;
  virtual void unregister(uint32_t token) = 0;

  // The connection ends, on both sides. Idempotent.
  virtual void disconnect() = 0;

  // How many may be posted and not completed.
  virtual size_t receives_max() const = 0;
  virtual size_t requests_max() const = 0;  // sends, reads and writes
};

}  // namespace braid::transport::smbdirect
