// The dispatch table and the gates every request passes.
#pragma once

#include <optional>

#include "runtime/task.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {

// Runs the gates, then the command's handler, and turns errors into error responses. Empty for
// CANCEL, which has no answer. Starts and ends on the connection's reactor.
Task<std::optional<Reply>> dispatch(Request& request);

}  // namespace braid::smb2
