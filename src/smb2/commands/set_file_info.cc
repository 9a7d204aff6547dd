// [MS-SMB2] 3.3.5.21.1 "Handling SMB2_0_INFO_FILE"; [MS-FSA] 2.1.5.15 "Server Requests Setting of
// File Information".
#include "smb2/commands/disposition.h"
#include "smb2/commands/set_info_parts.h"
#include "smb2/commands/set_info_rules.h"
#include "smb2/directory_leases.h"
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

// The largest file there is.
constexpr uint64_t kSizeMax = ~uint64_t{0} >> 1;

// 0 leaves a time alone; so do the two values that freeze and thaw automatic updates.
std::optional<FileTime> given(FileTime time) {
  using Basic = wire::FileBasicInformation;
  if (time.ticks == 0 || time.ticks == Basic::kTimeFrozen || time.ticks == Basic::kTimeThawed) {
    return std::nullopt;
  }
  return time;
}

// What LastWriteTime of FileBasicInformation says about later writes of this open.
void set_write_time(Server& server, Open& open, FileTime time) {
  using Basic = wire::FileBasicInformation;
  if (time.ticks == Basic::kTimeFrozen) {
    server.write_times.freeze(open);
  } else if (time.ticks == Basic::kTimeThawed) {
    server.write_times.thaw(open);
  } else if (time.ticks != 0) {
    server.write_times.set(open, time);
  } else {
    server.write_times.flush(open);
  }
}

// [MS-FSA] 2.1.5.15.2 "FileBasicInformation".
Result<void> set_basic(Server& server, Open& open, ByteView buffer) {
  wire::Reader reader(buffer);
  BRAID_TRY(const auto basic, wire::FileBasicInformation::decode(reader));
  constexpr uint64_t kTimeMax = ~uint64_t{0} >> 1;
  for (const FileTime time : {basic.creation_time, basic.last_access_time, basic.last_write_time,
                              basic.change_time}) {
    if (time.ticks > kTimeMax && given(time)) return fail(NtStatus::kInvalidParameter);
  }
  const uint32_t attributes = basic.file_attributes;
  if ((attributes & vfs::dos::kDirectory) && !open.attributes.is_directory) {
    return fail(NtStatus::kInvalidParameter);
  }
  if ((attributes & vfs::dos::kTemporary) && open.attributes.is_directory) {
    return fail(NtStatus::kInvalidParameter);
  }
  vfs::AttributesChange change;
  vfs::File& file = open.base_file ? *open.base_file : *open.file;
  if (attributes != 0) {
    // SPARSE and COMPRESSED have FSCTLs of their own.
    BRAID_TRY(const auto now, file.stat());
    change.dos_attributes =
        (attributes & vfs::dos::kSettable) | (now.dos_attributes & vfs::dos::kSparse);
  }
  change.creation_time = given(basic.creation_time);
  change.access_time = given(basic.last_access_time);
  change.write_time = given(basic.last_write_time);
  change.change_time = given(basic.change_time);
  BRAID_CHECK(file.change(change));
  set_write_time(server, open, basic.last_write_time);
  using wire::CompletionFilter;
  report_modified(server, open,
                  (change.dos_attributes ? CompletionFilter::kAttributes : 0) |
                      (change.creation_time ? CompletionFilter::kCreation : 0) |
                      (change.access_time ? CompletionFilter::kLastAccess : 0) |
                      (change.write_time ? CompletionFilter::kLastWrite : 0));
  if (attributes != 0 || change.creation_time || change.access_time || change.write_time ||
      change.change_time) {
    child_changed(server, open);
  }
  return {};
}

// [MS-FSA] 2.1.5.15.1 "FileAllocationInformation" and .4 "FileEndOfFileInformation".
Task<Result<void>> set_size(Request& request, FileInfoClass info_class, ByteView buffer) {
  wire::Reader reader(buffer);
  uint64_t size = 0;
  if (info_class == FileInfoClass::kAllocation) {
    BRAID_CO_TRY(const auto info, wire::FileAllocationInformation::decode(reader));
    size = info.allocation_size;
  } else if (info_class == FileInfoClass::kEndOfFile) {
    BRAID_CO_TRY(const auto info, wire::FileEndOfFileInformation::decode(reader));
    size = info.end_of_file;
  } else {
    BRAID_CO_TRY(const auto info, wire::FileValidDataLengthInformation::decode(reader));
    BRAID_CO_TRY(const auto now, request.open->file->stat());
    // Data never written reads as zeros here, so there is nothing to declare valid.
    if (info.valid_data_length > now.size) co_return fail(NtStatus::kInvalidParameter);
    co_return Result<void>{};
  }
  if (request.open->attributes.is_directory || size > kSizeMax) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  BRAID_CO_CHECK(co_await prepare_operation(request, filestate::Operation::kSetSize));
  vfs::File& file = *request.open->file;
  BRAID_CO_TRY(const auto now, file.stat());
  const bool resizes =
      info_class == FileInfoClass::kEndOfFile ? size != now.size : size < now.size;
  WriteTimes& write_times = request.server.write_times;
  write_times.before_resize(*request.open);
  if (resizes) {
    BRAID_CO_CHECK(file.truncate(size));
  } else if (info_class == FileInfoClass::kAllocation) {
    BRAID_CO_CHECK(file.allocate(size));
  }
  write_times.resized(*request.open, resizes);
  report_resized(request.server, *request.open);
  child_changed(request.server, *request.open);
  co_return Result<void>{};
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
  wire::Reader reader(set.buffer);
  switch (info_class) {
    case FileInfoClass::kBasic: co_return set_basic(request.server, open, set.buffer);
    case FileInfoClass::kRename: co_return co_await rename_file(request, set.buffer);
    case FileInfoClass::kRenameEx: co_return co_await rename_file_ex(request, set.buffer);
    case FileInfoClass::kLink: co_return co_await link_file(request, set.buffer);
    case FileInfoClass::kDisposition: co_return co_await set_disposition(request, set.buffer);
    case FileInfoClass::kDispositionEx: co_return co_await set_disposition_ex(request, set.buffer);
    case FileInfoClass::kAllocation:
    case FileInfoClass::kEndOfFile:
    case FileInfoClass::kValidDataLength:
      co_return co_await set_size(request, info_class, set.buffer);
    case FileInfoClass::kPosition: {
      BRAID_CO_TRY(const auto info, wire::FilePositionInformation::decode(reader));
      open.position = info.current_byte_offset;
      co_return Result<void>{};
    }
    case FileInfoClass::kMode: {
      using Mode = wire::FileModeInformation;
      BRAID_CO_TRY(const auto info, Mode::decode(reader));
      // [MS-FSA] 2.1.5.15.8: what may be changed on an open handle.
      constexpr uint32_t kChangeable = Mode::kWriteThrough | Mode::kSequentialOnly |
                                       Mode::kNoIntermediateBuffering | Mode::kSynchronousIoAlert |
                                       Mode::kSynchronousIoNonalert;
      if (info.mode & ~kChangeable) co_return fail(NtStatus::kInvalidParameter);
      open.mode = info.mode;
      co_return Result<void>{};
    }
    case FileInfoClass::kFullEa: co_return set_full_eas(request.server, open, set.buffer);
    // No 8.3 names.
    case FileInfoClass::kShortName: co_return fail(NtStatus::kNotSupported);
    default: co_return fail(NtStatus::kInvalidInfoClass);
  }
}

}  // namespace braid::smb2
