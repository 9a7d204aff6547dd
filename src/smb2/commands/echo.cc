// [MS-SMB2] 3.3.5.17 "Receiving an SMB2 ECHO Request".
#include "wire/smb2/echo.h"

#include "smb2/commands/commands.h"

namespace braid::smb2 {

Task<Result<Reply>> handle_echo(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_CHECK(wire::EchoRequest::decode(reader));
  co_return reply_with(wire::EchoResponse{});
}

}  // namespace braid::smb2
