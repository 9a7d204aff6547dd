// What of a request goes into the audit.
#pragma once

#include <string_view>

#include "auth/identity.h"
#include "base/result.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {

class AuditLog;
class Connection;

// Before the handler of a request that may move what it names: where that was. Thread: the reactor.
void note_for_audit(Request& request);
// After it, while the request has its open. Thread: the reactor.
void audit_request(const Request& request, const Result<Reply>& result);

// Counts it, too. `result` of a logon: STATUS_SUCCESS, or why there is none. `account` is a
// client's word then.
void audit_logon(Connection& connection, const Session* session, std::string_view account,
                 NtStatus result);

}  // namespace braid::smb2
