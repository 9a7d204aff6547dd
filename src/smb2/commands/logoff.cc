// [MS-SMB2] 3.3.5.6 "Receiving an SMB2 LOGOFF Request".
#include "wire/smb2/logoff.h"

#include "smb2/commands/commands.h"
#include "smb2/connections/connection.h"
#include "smb2/server.h"

namespace braid::smb2 {

Task<Result<Reply>> handle_logoff(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_CHECK(wire::LogoffRequest::decode(reader));
  // Those of other connections go when these hear of it, and find the session closed until then.
  request.connection->remove_channel(*request.channel);
  co_await request.logons.close_session(request.session);
  co_return reply_with(wire::LogoffResponse{});
}

}  // namespace braid::smb2
