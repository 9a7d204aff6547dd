// ConnectionSink: where an accepted client socket goes.
#pragma once

#include "base/bytes.h"
#include "base/unique_fd.h"

namespace braid {

// Declared here and implemented by the server above, so that what receives sockets from the front
// need not know SMB2.
class ConnectionSink {
 public:
  virtual ~ConnectionSink() = default;

  // Takes over a connected, non-blocking TCP socket. `first_frame` is the first message the client
  // sent, without its four-byte transport header; nothing after it has been read from the socket.
  // It is an SMB2 message with Command NEGOTIATE or an SMB1 SMB_COM_NEGOTIATE as far as its header
  // goes; its body is unchecked. Must not block. Thread: any.
  virtual void adopt(UniqueFd socket, Buffer first_frame) = 0;
};

}  // namespace braid
