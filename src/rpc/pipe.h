// One open of a named pipe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "auth/authenticator.h"
#include "base/bytes.h"
#include "base/result.h"
#include "rpc/caller_info.h"

namespace braid::rpc {

struct PipeRead {
  Bytes data;
  bool more = false;  // the message goes on: STATUS_BUFFER_OVERFLOW, not an error
};

struct PipeLogon {
  auth::AuthExchange& exchange;
  ByteView token;
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
  // for them any more; kPipeDisconnected once a protocol fault ended the conversation, if there is
  // no answer that says so; kInsufficientResources if answers not read pile up; kPipeBusy while a
  // logon is due.
  virtual Result<void> write(const CallerInfo& caller, ByteView bytes) = 0;
  // A leg of a logon in what was written, which has to be judged, by whoever may wait for that,
  // before the rest of it is worked on. Stays until logged_on().
  virtual std::optional<PipeLogon> logon_due() const = 0;
  // What came of it, and the rest of what was written: errors as write(). REQUIRES: one is due, and
  // `caller` wrote it.
  virtual Result<void> logged_on(const CallerInfo& caller, const Result<auth::AuthStep>& step) = 0;
  // The next message, or the rest of the one begun, at most `max` bytes. kPipeEmpty if no answer
  // waits; kPipeDisconnected after a protocol fault and when all is read.
  virtual Result<PipeRead> read(size_t max) = 0;
  // Whether read() would give something, or say that the conversation is over.
  virtual bool can_read() const = 0;
  // Bytes of the message that read() would give next, and of all messages.
  virtual size_t next_message_size() const = 0;
  virtual size_t readable_size() const = 0;
};

}  // namespace braid::rpc
