// [MS-SMB2] 3.3.5.21.1 "Handling SMB2_0_INFO_FILE"; [MS-FSA] 2.1.5.15 "Server Requests Setting of
// File Information".
#include "smb2/access_check.h"
#include "smb2/commands/set_info_parts.h"
#include "smb2/limits.h"
#include "smb2/notify/report.h"
#include "smb2/operation.h"
#include "smb2/server.h"
#include "wire/fscc/file_information.h"
#include "wire/fscc/info_class.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/change_notify.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::FileInfoClass;

uint32_t needed_access(FileInfoClass info_class) {
  switch (info_class) {
    case FileInfoClass::kBasic: return Access::kFileWriteAttributes;
    case FileInfoClass::kRename:
    case FileInfoClass::kDisposition:
    case FileInfoClass::kDispositionEx: return Access::kDelete;
    case FileInfoClass::kAllocation:
    case FileInfoClass::kEndOfFile:
    case FileInfoClass::kValidDataLength: return Access::kFileWriteData;
    case FileInfoClass::kFullEa: return Access::kFileWriteEa;
    default: return 0;
  }
}

Task<Result<void>> set_disposition(Request& request, bool delete_pending, bool ignore_readonly) {
  Open& open = *request.open;
  if (delete_pending) {
    BRAID_CO_TRY(const auto attributes, open.file->stat());
    if ((attributes.dos_attributes & vfs::dos::kReadonly) && !ignore_readonly) {
      co_return fail(NtStatus::kCannotDelete);
    }
    if (open.path.lock()->is_root()) co_return fail(NtStatus::kCannotDelete);
    if (open.attributes.is_directory) {
      // Of what is open: its path may lead nowhere by now, or to another directory.
      BRAID_CO_TRY(const bool is_empty, open.file->is_empty());
      if (!is_empty) co_return fail(NtStatus::kDirectoryNotEmpty);
    }
    if (!open.attributes.is_stream) BRAID_CO_CHECK(check_may_unlink(request, attributes));
  }
  BRAID_CO_CHECK(co_await set_delete_pending(request, delete_pending));
  if (delete_pending) report_delete_pending(request.server, *request.open);
  co_return Result<void>{};
}

// [MS-FSA] 2.1.5.15.10 "FilePositionInformation".
Result<void> set_position(Open& open, ByteView buffer) {
  wire::Reader reader(buffer);
  BRAID_TRY(const auto info, wire::FilePositionInformation::decode(reader));
  const bool in_sectors = (open.attributes.create_options &
                           wire::CreateOptions::kNoIntermediateBuffering) != 0;
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
  if (!minimum) co_return fail(NtStatus::kInvalidInfoClass);
  if (set.buffer.size() < *minimum) co_return fail(NtStatus::kInfoLengthMismatch);
  if (const uint32_t needed = needed_access(info_class); needed && !open.has_access(needed)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  if (request.tree_connect->share->read_only && info_class != FileInfoClass::kPosition &&
      info_class != FileInfoClass::kMode) {
    co_return fail(NtStatus::kMediaWriteProtected);
  }
  wire::Reader reader(set.buffer);
  switch (info_class) {
    case FileInfoClass::kBasic: co_return set_basic_info(request.server, open, set.buffer);
    case FileInfoClass::kRename:
    case FileInfoClass::kRenameEx: co_return co_await rename_file(request, set.buffer);
    case FileInfoClass::kLink: co_return co_await link_file(request, set.buffer);
    case FileInfoClass::kDisposition: {
      BRAID_CO_TRY(const auto info, wire::FileDispositionInformation::decode(reader));
      co_return co_await set_disposition(request, info.delete_pending, false);
    }
    case FileInfoClass::kDispositionEx: {
      using Ex = wire::FileDispositionInformationEx;
      BRAID_CO_TRY(const auto info, Ex::decode(reader));
      co_return co_await set_disposition(request, (info.flags & Ex::kDelete) != 0,
                                         (info.flags & Ex::kIgnoreReadOnlyAttribute) != 0);
    }
    case FileInfoClass::kAllocation:
    case FileInfoClass::kEndOfFile:
    case FileInfoClass::kValidDataLength:
      co_return co_await set_size_info(request, set);
    case FileInfoClass::kPosition: co_return set_position(open, set.buffer);
    case FileInfoClass::kMode: co_return set_mode(open, set.buffer);
    case FileInfoClass::kFullEa: co_return set_full_eas(request.server, open, set.buffer);
    // No 8.3 names; and what [MS-FSA] 2.1.5.15.9, .11 and .13 have nobody support.
    case FileInfoClass::kShortName:
    case FileInfoClass::kObjectId:
    case FileInfoClass::kQuota:
    case FileInfoClass::kSfioReserve: co_return fail(NtStatus::kNotSupported);
    default: co_return fail(NtStatus::kInvalidInfoClass);
  }
}

}  // namespace braid::smb2
