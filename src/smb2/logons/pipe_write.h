// write_pipe: what a client writes to a pipe, with the logons in it.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "runtime/task.h"

namespace braid::smb2 {

class Request;

// Writes `bytes` to the pipe that `request` has open. A logon of RPC's own within them is judged as
// a SESSION_SETUP is, so passwords are guessed no faster this way. Errors as rpc::Pipe::write(), or
// of the wait. Continues on a thread of the pool unless it failed. REQUIRES: on the pool, with the
// turn of the pipe's calls.
Task<Result<void>> write_pipe(Request& request, ByteView bytes);

}  // namespace braid::smb2
