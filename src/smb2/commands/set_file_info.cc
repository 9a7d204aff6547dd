// [MS-SMB2] 3.3.5.21.1 "Handling SMB2_0_INFO_FILE"; [MS-FSA] 2.1.5.15 "Server Requests Setting of
// File Information".
#include "smb2/commands/disposition.h"
#include "smb2/commands/set_info_parts.h"
#include "smb2/commands/set_info_rules.h"
#include "smb2/common/limits.h"
#include "smb2/files/file_services.h"
#include "smb2/files/operation.h"
#include "smb2/files/report.h"
#include "wire/fscc/file_information.h"
#include "wire/fscc/info_class.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/change_notify.h"

namespace braid::smb2 {
namespace {

using wire::FileInfoClass;

// [MS-FSA] 2.1.5.15.10 "FilePositionInformation".
Result<void> set_position(Open& open, ByteView buffer) {
  wire::Reader reader(buffer);
  BRAID_TRY(const auto info, wire::FilePositionInformation::decode(reader));
  const bool in_sectors =
      (open.attributes.create_options & wire::CreateOptions::kNoIntermediateBuffering) != 0;
  if (info.current_byte_offset > kSizeMax ||
      (in_sectors && info.current_byte_offset % kSectorSize != 0)) {
    return fail(NtStatus::kInvalidParameter);
  }
  open.position = info.current_byte_offset;
  return {};
}

// [MS-FSA] 2.1.5.15.8 "FileModeInformation": what may be changed on an open handle. No open here is
// of the synchronous kind, and none becomes so.
Result<void> set_mode(Open& open, ByteView buffer) {
  using Mode = wire::FileModeInformation;
  wire::Reader reader(buffer);
  BRAID_TRY(const auto info, Mode::decode(reader));
  if (info.mode & ~(Mode::kWriteThrough | Mode::kSequentialOnly)) {
    return fail(NtStatus::kInvalidParameter);
  }
  open.mode = info.mode;
  return {};
}

}  // namespace

Task<Result<void>> set_file_info(Request& request, const wire::SetInfoRequest& set) {
  Open& open = *request.open;
  const auto info_class = static_cast<FileInfoClass>(set.file_info_class);
  const auto minimum = wire::minimum_set_length(info_class);
  const auto rule = set_info_rule(info_class);
  if (!minimum || !rule) co_return fail(NtStatus::kInvalidInfoClass);
  if (set.buffer.size() < *minimum) co_return fail(NtStatus::kInfoLengthMismatch);
  if (rule->needed_access && !open.has_access(rule->needed_access)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  if (request.tree_connect->share->read_only && rule->changes_file) {
    co_return fail(NtStatus::kMediaWriteProtected);
  }
  switch (info_class) {
    case FileInfoClass::kBasic:
      co_return set_basic_info(request.files, open, set.buffer);
    case FileInfoClass::kRename:
      co_return co_await rename_file(request, set.buffer);
    case FileInfoClass::kRenameEx:
      co_return co_await rename_file_ex(request, set.buffer);
    case FileInfoClass::kLink:
      co_return co_await link_file(request, set.buffer);
    case FileInfoClass::kDisposition:
      co_return co_await set_disposition(request, set.buffer);
    case FileInfoClass::kDispositionEx:
      co_return co_await set_disposition_ex(request, set.buffer);
    case FileInfoClass::kAllocation:
    case FileInfoClass::kEndOfFile:
    case FileInfoClass::kValidDataLength:
      co_return co_await set_size_info(request, set);
    case FileInfoClass::kPosition:
      co_return set_position(open, set.buffer);
    case FileInfoClass::kMode:
      co_return set_mode(open, set.buffer);
    case FileInfoClass::kFullEa:
      co_return set_full_eas(request.files, open, set.buffer);
    // No 8.3 names; and what [MS-FSA] 2.1.5.15.9, .11 and .13 have nobody support.
    case FileInfoClass::kShortName:
    case FileInfoClass::kObjectId:
    case FileInfoClass::kQuota:
    case FileInfoClass::kSfioReserve:
      co_return fail(NtStatus::kNotSupported);
    default:
      co_return fail(NtStatus::kInvalidInfoClass);
  }
}

}  // namespace braid::smb2
