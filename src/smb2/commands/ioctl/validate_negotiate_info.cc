// [MS-SMB2] 3.3.5.15.12 "Handling a Validate Negotiate Info Request".
#include "wire/smb2/validate_negotiate_info.h"

#include "base/log.h"
#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/connections/connection.h"
#include "smb2/server.h"

namespace braid::smb2 {

Task<Result<IoctlAnswer>> ioctl_validate_negotiate_info(Request& request,
                                                        const wire::IoctlRequest& ioctl) {
  Connection& connection = *request.connection;
  const Negotiated& negotiated = connection.negotiated;
  wire::Reader reader(ioctl.input);
  const auto info = wire::ValidateNegotiateInfoRequest::decode(reader);
  // Whoever changed the NEGOTIATE on its way gets no hint of what gave it away. In 3.1.1 the
  // preauthentication hash has said it all, and no client asks.
  if (!info || negotiated.dialect == wire::Dialect::kSmb311 ||
      ioctl.max_output_response < wire::ValidateNegotiateInfoResponse::kSize ||
      info->capabilities != negotiated.client_capabilities ||
      info->guid != negotiated.client_guid ||
      info->security_mode != negotiated.client_security_mode ||
      digest_of(info->dialects) != negotiated.client_dialects) {
    log::warn("{}: the negotiation was tampered with, dropped", connection.peer_host());
    connection.disconnect();
    co_return fail(NtStatus::kAccessDenied);
  }
  wire::ValidateNegotiateInfoResponse response;
  response.capabilities = negotiated.server_capabilities;
  response.guid = request.server.server_guid();
  response.security_mode = negotiated.server_security_mode;
  response.dialect = negotiated.dialect;
  IoctlAnswer answer;
  wire::Writer writer(answer.output);
  response.encode(writer);
  co_return answer;
}

}  // namespace braid::smb2
