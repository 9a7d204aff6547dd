// Transport: the seam between SMB2 messages and what carries them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/counted_buffer.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "transport/out_frame.h"
#include "transport/socket_address.h"

namespace braid::transport {

class RemoteMemory;

// Told how far the peer has acknowledged. Whether it is to be told more.
using AcknowledgementLook = std::move_only_function<bool(uint64_t acknowledged)>;

// One connection's messages, each way in order. [MS-SMB2] 2.1 "Transport".
// Held by std::shared_ptr: by the Connection, and by operations that are under way.
// Thread: that of reactor(), except where a function says otherwise.
// Life: ends with close(), with an error, or when the peer is gone; receive() reports which.
class Transport {
 public:
  virtual ~Transport() = default;

  // The next message, without the framing, in the memory that it was received into: whose that is,
  // the Buffer knows. One receive() at a time. Errors:
  //   kConnectionDisconnected  the peer ended the stream between two messages, or close() was
  //                            called
  //   truncated                the peer ended the stream inside a message
  //   malformed                not a frame, or longer than the receive limit
  //   os                       the socket failed, for instance ECONNRESET
  // After an error the transport is closed, and every further receive() fails the same way.
  virtual Task<Result<CountedBuffer>> receive() = 0;

  // The longest message taken from now on, at most kFrameSizeMax. Starts at kReceiveLimitInitial.
  virtual void set_receive_limit(size_t size) = 0;

  // Who pays for what is received from now on: messages carry their charge, and none is read before
  // there is room for it. A peer for which there is none for kMemoryPatience is dropped,
  // kInsufficientResources. Thread: the reactor's, with no receive() under way.
  virtual void set_account(std::shared_ptr<MemoryAccount> account) = 0;

  // Queues one frame behind those before. Never blocks and cannot fail: if the transport is or gets
  // closed the frame is dropped, and receive() tells. Returns the position in the stream just
  // behind the frame, counted as the three counters below count. Thread: any; on the reactor's own
  // thread the frame is usually in the kernel when send() returns.
  virtual uint64_t send(OutFrame frame) = 0;

  // Continues when no more than kUnsentMax bytes are unsent, or the transport is closed. A
  // connection waits here before it reads the next request.
  virtual Task<void> writable() = 0;
  // Continues when everything queued is with the kernel, or the transport is closed.
  virtual Task<void> drained() = 0;

  // Bytes since the start, framing included. Thread: any.
  virtual uint64_t bytes_queued() const = 0;
  virtual uint64_t bytes_sent() const = 0;  // given to what carries them
  // Of those, what has arrived at the peer's transport, as far as this one knows. A frame is there
  // once this is what its send() returned, or more.
  virtual uint64_t bytes_acknowledged() const = 0;

  // From now on a peer that acknowledges nothing more is gone: each transport finds that out in its
  // own way and time, and then calls abort(). Meanwhile it calls `look` when more may have been
  // acknowledged, never from within this call. That ends when `look` returns false or is replaced,
  // by null for none, and not with the transport: whoever watches ends it before he goes. `look`
  // must not call this. Thread: the reactor's.
  virtual void watch_acknowledgements(AcknowledgementLook look) = 0;
  // Whether the peer looks as if it were gone: what it was sent should have been acknowledged by
  // now. A guess, for who has another way. Thread: any.
  virtual bool is_suspect() const = 0;

  // One way and idempotent: a receive() under way fails, writable() and drained() continue, unsent
  // frames are dropped. Thread: any.
  virtual void close() = 0;
  // close(), and what the kernel still holds for the peer is thrown away: nothing that was sent may
  // arrive after this. Thread: the reactor's.
  virtual void abort() { close(); }
  // From now on a peer that acknowledges nothing for `limit` is gone, whether something was sent or
  // not; receive() reports ETIMEDOUT. A transport that cannot find that out ignores it. Thread: the
  // reactor's.
  virtual void set_peer_timeout([[maybe_unused]] std::chrono::milliseconds limit) {}
  virtual bool is_closed() const = 0;  // Thread: any
  // The same, or the peer has ended the stream, and receive() will say so behind what came before.
  // Thread: any.
  virtual bool is_peer_gone() const { return is_closed(); }

  // Ends as close() does, but gives up the socket open, for somebody else to go on with. None when
  // there is no socket, or bytes behind the last message were read from it or are unsent.
  // Thread: the reactor's.
  virtual UniqueFd release() {
    close();
    return {};
  }

  // For another process that is to go on with the connection. After hold() nothing is received: a
  // receive() under way waits, and so does each later one, until go_on() or the end. False: this
  // kind of connection goes to no other process. Thread: the reactor's.
  virtual bool hold() { return false; }
  virtual void go_on() {}
  // What the other process takes: the socket, which stays this one's, and the bytes that were read
  // from it behind the last message that receive() gave. None while something is unsent, and of one
  // that is closed. REQUIRES: hold(), and a receive() is under way. Thread: the reactor's.
  struct Handed {
    int socket = -1;
    Bytes received;
  };
  virtual std::optional<Handed> handed() const { return std::nullopt; }

  // The peer's memory, where its network card can be asked for it; null where what is sent is all
  // there is. Lives as long as this. Thread: any.
  virtual RemoteMemory* remote_memory() { return nullptr; }

  virtual SocketAddress peer() const = 0;   // Thread: any
  virtual SocketAddress local() const = 0;  // Thread: any
  virtual Reactor& reactor() const = 0;     // Thread: any
};

using TransportPtr = std::shared_ptr<Transport>;

// A connection that has arrived, of whatever kind: makes its Transport on the reactor that serves
// it. Called once at most, on that reactor's thread; the connection ends with one that never is.
using MakeTransport = std::move_only_function<TransportPtr(Reactor&)>;

}  // namespace braid::transport
