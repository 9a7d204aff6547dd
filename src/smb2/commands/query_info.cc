// [MS-SMB2] 3.3.5.20 "Receiving an SMB2 QUERY_INFO Request".
#include "wire/smb2/query_info.h"

#include <cerrno>
#include <optional>

#include "runtime/identity.h"
#include "smb2/commands/commands.h"
#include "smb2/commands/info_rows.h"
#include "smb2/connections/connection.h"
#include "wire/fscc/info_class.h"
#include "wire/smb2/error_response.h"

namespace braid::smb2 {
namespace {

wire::ErrorDataForm form_of(const Request& request) {
  return request.connection->negotiated.dialect == wire::Dialect::kSmb311
             ? wire::ErrorDataForm::kContext
             : wire::ErrorDataForm::kBare;
}

Reply too_small(const Request& request, uint32_t needed) {
  Reply reply{.status = NtStatus::kBufferTooSmall};
  reply.message.resize(wire::Header::kSize);
  wire::Writer writer(reply.message, 0);
  wire::encode_buffer_too_small(writer, needed, form_of(request));
  return reply;
}

// [MS-SMB2] 3.3.5.20.1 "Handling SMB2_0_INFO_FILE": from 3.1.1 on with a context that is empty.
Reply length_mismatch(const Request& request) {
  Reply reply{.status = NtStatus::kInfoLengthMismatch};
  reply.message.resize(wire::Header::kSize);
  wire::Writer writer(reply.message, 0);
  wire::encode_error_data(writer, {}, form_of(request));
  return reply;
}

Result<const InfoRow*> row_to_query(const Request& request, const wire::QueryInfoRequest& query) {
  if (request.open->is_pipe() && query.info_type != wire::InfoType::kFile) {
    return fail(NtStatus::kInvalidDeviceRequest);
  }
  // To all but POSIX opens there is no such class.
  constexpr auto kPosix = static_cast<uint8_t>(wire::FileInfoClass::kPosix);
  static_assert(kPosix == static_cast<uint8_t>(wire::FsInfoClass::kPosix));
  if (query.file_info_class == kPosix && !request.open->attributes.is_posix &&
      (query.info_type == wire::InfoType::kFile ||
       query.info_type == wire::InfoType::kFilesystem)) {
    return nullptr;
  }
  switch (query.info_type) {
    case wire::InfoType::kFile:
      return find_file_info(query.file_info_class);
    case wire::InfoType::kFilesystem:
      return find_filesystem_info(query.file_info_class);
    case wire::InfoType::kSecurity:
      return security_info();
    case wire::InfoType::kQuota:
      return quota_info();
  }
  return fail(NtStatus::kInvalidParameter);
}

// All that a row decides before its handler runs, for every class.
Result<QueryAnswer> answer_of(Request& request, const wire::QueryInfoRequest& query) {
  BRAID_TRY(const InfoRow* const row, row_to_query(request, query));
  if (!row || !row->query.is_known) return fail(NtStatus::kInvalidInfoClass);
  if (query.output_buffer_length < row->query.length) return fail(NtStatus::kInfoLengthMismatch);
  const bool is_pipe = request.open->is_pipe();
  const QueryHandler handler = is_pipe ? row->query.of_pipe : row->query.of_file;
  if (!handler) {
    return fail(is_pipe ? NtStatus::kInvalidDeviceRequest : NtStatus::kInvalidInfoClass);
  }
  if (!row->query.rights.are_granted(*request.open, query.additional_information)) {
    return fail(NtStatus::kAccessDenied);
  }
  return handler(request, query);
}

// Whether it asks for what the kernel has in memory of a file that is open.
bool is_at_once(const Request& request, const wire::QueryInfoRequest& query) {
  const Open& open = *request.open;
  if (query.info_type != wire::InfoType::kFile || open.is_pipe() || open.attributes.is_stream) {
    return false;
  }
  const Share& share = *request.tree_connect->share;
  if (!share.volume->features().at_once || share.slow_requests != 0) return false;
  using wire::FileInfoClass;
  switch (static_cast<FileInfoClass>(query.file_info_class)) {
    case FileInfoClass::kBasic:
    case FileInfoClass::kStandard:
    case FileInfoClass::kInternal:
    case FileInfoClass::kAccess:
    case FileInfoClass::kPosition:
    case FileInfoClass::kMode:
    case FileInfoClass::kAlignment:
    case FileInfoClass::kAll:
    case FileInfoClass::kNetworkOpen:
    case FileInfoClass::kAttributeTag:
    case FileInfoClass::kId:
      return true;
    default:
      return false;
  }
}

// Nothing: a disk has to be looked at.
std::optional<Result<QueryAnswer>> answer_at_once(Request& request,
                                                  const wire::QueryInfoRequest& query) {
  const ScopedAtOnce scope;
  auto answer = answer_of(request, query);
  if (!answer && answer.error().is_os(EAGAIN)) return std::nullopt;
  return answer;
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
  auto at_once = is_at_once(request, query) ? answer_at_once(request, query) : std::nullopt;
  if (!at_once) BRAID_CO_CHECK(co_await request.seat.turn());
  Result<QueryAnswer> answer = at_once ? *std::move(at_once) : answer_of(request, query);
  if (!answer && answer.error() == Error(NtStatus::kInfoLengthMismatch)) {
    co_return length_mismatch(request);
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
