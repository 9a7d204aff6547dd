// [MS-SMB2] 3.3.5.20 "Receiving an SMB2 QUERY_INFO Request".
#include "wire/smb2/query_info.h"

#include "smb2/commands/commands.h"
#include "smb2/commands/query_info_parts.h"
#include "smb2/connections/connection.h"
#include "wire/smb2/error_response.h"

namespace braid::smb2 {
namespace {

Reply too_small(const Request& request, uint32_t needed) {
  Reply reply{.status = NtStatus::kBufferTooSmall};
  reply.message.resize(wire::Header::kSize);
  wire::Writer writer(reply.message, 0);
  wire::encode_buffer_too_small(writer, needed,
                                request.connection->negotiated.dialect == wire::Dialect::kSmb311
                                    ? wire::ErrorDataForm::kContext
                                    : wire::ErrorDataForm::kBare);
  return reply;
}

}  // namespace

Task<Result<Reply>> handle_query_info(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto query, wire::QueryInfoRequest::decode(reader));
  if (query.output_buffer_length > request.connection->negotiated.max_transact_size) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  BRAID_CO_CHECK(
      request.check_credit_charge(query.input_buffer.size(), query.output_buffer_length));
  Result<QueryAnswer> answer = fail(NtStatus::kInvalidParameter);
  if (request.open->is_pipe() && query.info_type != wire::InfoType::kFile) {
    answer = fail(NtStatus::kInvalidDeviceRequest);
  } else {
    switch (query.info_type) {
      case wire::InfoType::kFile:
        answer = query_file_info(request, query);
        break;
      case wire::InfoType::kFilesystem:
        answer = query_filesystem_info(request, query);
        break;
      case wire::InfoType::kSecurity:
        answer = query_security_info(request, query);
        break;
      case wire::InfoType::kQuota:
        answer = query_quota_info(request, query);
        break;
    }
  }
  if (!answer) co_return std::unexpected(answer.error());

  NtStatus status = answer->status;
  if (answer->data.size() > query.output_buffer_length) {
    if (answer->all_or_nothing) {
      co_return too_small(request, static_cast<uint32_t>(answer->data.size()));
    }
    answer->data.resize(query.output_buffer_length);
    status = NtStatus::kBufferOverflow;
  }
  wire::QueryInfoResponse response;
  response.output_buffer = answer->data;
  co_return reply_with(response, status);
}

}  // namespace braid::smb2
