// ByteStream: a TCP connection whose messages somebody else takes apart.
#pragma once

#include <sys/socket.h>

#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "transport/socket_address.h"

namespace braid::transport {

// For protocols whose messages are no frames of [MS-SMB2] 2.1. A peer that is silent is asked
// whether it is still there, and one that takes nothing of what waits for it for kTakesNothingMax
// is dropped. Held by std::shared_ptr, by whoever uses it and by waits that are under way. Thread:
// the reactor's, except for close(), peer() and local(). Life: until close(), an error, or the end
// of the peer.
class ByteStream : public std::enable_shared_from_this<ByteStream> {
 public:
  // What one receive() gives at most: some of the largest messages of RPC.
  static constexpr size_t kReceiveMax = 16 * 1024;
  // writable() waits while more than this is unsent.
  static constexpr size_t kUnsentPauseSize = 256 * 1024;

  virtual ~ByteStream() = default;

  // What has come, a byte at least. One receive() at a time. kConnectionDisconnected: the peer has
  // ended the stream, or close() was called; os: the socket failed. The same again after that.
  virtual Task<Result<Bytes>> receive() = 0;
  // Queues behind what was queued before. Never blocks; dropped when the stream is over.
  virtual void send(Bytes bytes) = 0;
  virtual size_t unsent() const = 0;
  // Continues when little is unsent, or the stream is over.
  virtual Task<void> writable() = 0;
  // Continues when nothing is unsent, or the stream is over.
  virtual Task<void> drained() = 0;
  // One way and idempotent; what waits continues. Thread: any.
  virtual void close() = 0;
  virtual bool is_closed() const = 0;

  virtual SocketAddress peer() const = 0;   // Thread: any
  virtual SocketAddress local() const = 0;  // Thread: any
};
using ByteStreamPtr = std::shared_ptr<ByteStream>;

// Takes over a connected stream socket. REQUIRES: reactor.is_current().
ByteStreamPtr make_byte_stream(Reactor& reactor, UniqueFd socket);

}  // namespace braid::transport
