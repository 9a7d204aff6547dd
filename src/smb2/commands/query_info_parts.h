// The information types of QUERY_INFO, each in a file of its own.
#pragma once

#include "base/bytes.h"
#include "smb2/connections/request.h"
#include "wire/smb2/query_info.h"

namespace braid::smb2 {

struct QueryAnswer {
  Bytes data;  // all of it; what the client has no room for is cut off with STATUS_BUFFER_OVERFLOW
  NtStatus status = NtStatus::kSuccess;
  bool all_or_nothing = false;  // instead STATUS_BUFFER_TOO_SMALL with the size needed
};

// What is encoded as it is.
template <class Info>
QueryAnswer encoded(const Info& info) {
  QueryAnswer answer;
  wire::Writer writer(answer.data);
  info.encode(writer);
  return answer;
}

// 3.3.5.20.1 "Handling SMB2_0_INFO_FILE"
Result<QueryAnswer> query_file_info(Request& request, const wire::QueryInfoRequest& query);
// FileFullEaInformation, [MS-FSA] 2.1.5.12.12.
Result<QueryAnswer> query_full_eas(Open& open, const wire::QueryInfoRequest& query);
// 3.3.5.20.2 "Handling SMB2_0_INFO_FILESYSTEM"
Result<QueryAnswer> query_filesystem_info(Request& request, const wire::QueryInfoRequest& query);
// 3.3.5.20.3 "Handling SMB2_0_INFO_SECURITY"
Result<QueryAnswer> query_security_info(Request& request, const wire::QueryInfoRequest& query);
// 3.3.5.20.4 "Handling SMB2_0_INFO_QUOTA"
Result<QueryAnswer> query_quota_info(Request& request, const wire::QueryInfoRequest& query);

}  // namespace braid::smb2
