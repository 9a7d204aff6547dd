// One handler for each SMB2 command, each in the file of that name.
#pragma once

#include "runtime/task.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {

Task<Result<Reply>> handle_negotiate(Request& request);
Task<Result<Reply>> handle_session_setup(Request& request);
Task<Result<Reply>> handle_logoff(Request& request);
Task<Result<Reply>> handle_tree_connect(Request& request);
Task<Result<Reply>> handle_tree_disconnect(Request& request);
Task<Result<Reply>> handle_create(Request& request);
Task<Result<Reply>> handle_close(Request& request);
Task<Result<Reply>> handle_flush(Request& request);
Task<Result<Reply>> handle_read(Request& request);
Task<Result<Reply>> handle_write(Request& request);
Task<Result<Reply>> handle_lock(Request& request);
Task<Result<Reply>> handle_ioctl(Request& request);
Result<NamedOpens> ioctl_opens(const Request& request);  // where they are depends on the FSCTL
Task<Result<Reply>> handle_echo(Request& request);
Task<Result<Reply>> handle_query_directory(Request& request);
Task<Result<Reply>> handle_change_notify(Request& request);
Task<Result<Reply>> handle_query_info(Request& request);
Task<Result<Reply>> handle_set_info(Request& request);
Task<Result<Reply>> handle_oplock_break(Request& request);

}  // namespace braid::smb2
