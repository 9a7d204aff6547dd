// ConnectionSink and ConnectionRouter: where an accepted client socket goes.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"
#include "base/unique_fd.h"

namespace braid {

// What a connection has behind it when it arrives.
enum class Arrival : uint8_t {
  kNew,                 // nothing
  kAfterSmb1Negotiate,  // a worker has answered "SMB 2.???", so that MessageId 0 is used
};

// Declared here and implemented by the server above, so that what receives sockets from the front
// need not know SMB2.
class ConnectionSink {
 public:
  virtual ~ConnectionSink() = default;

  // Takes over a connected, non-blocking TCP socket. `first_frame` is the first message the client
  // sent, without its four-byte transport header; nothing after it has been read from the socket.
  // It is an SMB2 message with Command NEGOTIATE or an SMB1 SMB_COM_NEGOTIATE as far as its header
  // goes; its body is unchecked. Must not block. Thread: any.
  virtual void adopt(UniqueFd socket, Buffer first_frame, Arrival arrival) = 0;
};

// Which worker the connections of a client meet in. A connection that begins with SMB1 tells its
// ClientGuid only in its second message, when a worker has it already.
// Declared here and implemented above, as ConnectionSink is. Outlives the server that uses it.
class ConnectionRouter {
 public:
  virtual ~ConnectionRouter() = default;
  // Thread: any.
  virtual bool belongs_elsewhere(const ClientGuid& client) const = 0;
  // Takes over a socket whose SMB1 NEGOTIATE was answered, with the message that followed and that
  // nobody has answered; it arrives kAfterSmb1Negotiate where it belongs. Must not block. Thread:
  // any.
  virtual void pass_on(UniqueFd socket, Buffer frame) = 0;
};

}  // namespace braid
