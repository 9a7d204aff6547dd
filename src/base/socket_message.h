// Messages between processes over a Unix socket, with at most one descriptor each.
#pragma once

#include <sys/uio.h>

#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace braid {

// One message of all `parts`, with a duplicate of `fd` unless that is -1. Never blocks and raises
// no SIGPIPE: EAGAIN, EPIPE, ECONNREFUSED and the like are errors. Thread: any.
Result<void> send_socket_message(int socket, std::span<iovec> parts, int fd = -1);

struct SocketMessage {
  size_t size = 0;      // bytes put into the buffer
  bool is_cut = false;  // there were more
  UniqueFd fd;          // closed on exec
  // One was sent, and this process had no room for it: for the sender it is as if it had arrived.
  bool is_fd_lost = false;
};

// Never blocks: EAGAIN. On a connected socket whose other end is gone: size 0, or ECONNRESET once.
Result<SocketMessage> receive_socket_message(int socket, MutableByteView into);

}  // namespace braid
