// One open of a named pipe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "rpc/caller_info.h"

namespace braid::rpc {

struct PipeRead {
  Bytes data;
  bool more = false;  // the message goes on: STATUS_BUFFER_OVERFLOW, not an error
};

// A pipe in message mode with an RPC server behind it: [MS-SMB2] 3.3.5.12 "Receiving an SMB2 READ
// Request", .13 and 3.3.5.15.3 "Handling a Pipe Transaction Request" in what they say of pipes.
// One per Open of the IPC$ share, owned by it. What is written is worked on at once, so that
// answers are there to be read when write() returns. Thread: any, one call at a time by its own
// lock. Ends with its Open; nothing outlives it.
class Pipe {
 public:
  virtual ~Pipe() = default;

  // All bytes are taken or none. `caller`: who the session is now. kAccessDenied if the pipe is not
  // for them any more; kPipeDisconnected once a protocol fault ended the conversation;
  // kInsufficientResources if answers not read pile up.
  virtual Result<void> write(const CallerInfo& caller, ByteView bytes) = 0;
  // The next message, or the rest of the one begun, at most `max` bytes. kPipeEmpty if no answer
  // waits; kPipeDisconnected after a protocol fault and when all is read.
  virtual Result<PipeRead> read(size_t max) = 0;
  // Whether read() would give something, or say that the conversation is over.
  virtual bool can_read() const = 0;
  // Bytes of the message that read() would give next, and of all messages.
  virtual size_t next_message_size() const = 0;
  virtual size_t readable_size() const = 0;

  // FSCTL_PIPE_TRANSCEIVE: write then read. kPipeBusy if an answer waits already.
  Result<PipeRead> transceive(const CallerInfo& caller, ByteView bytes, size_t max);
};

}  // namespace braid::rpc
