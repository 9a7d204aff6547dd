// FileAllocationInformation, FileEndOfFileInformation and FileValidDataLengthInformation:
// [MS-FSA] 2.1.5.15.1, 2.1.5.15.5 and 2.1.5.15.15.
#include "smb2/commands/set_info_parts.h"
#include "smb2/common/limits.h"
#include "smb2/files/file_services.h"
#include "smb2/files/operation.h"
#include "smb2/files/report.h"
#include "wire/fscc/info_class.h"
#include "wire/fscc/set_information.h"

namespace braid::smb2 {
namespace {

using wire::FileInfoClass;

Result<uint64_t> size_in(const wire::SetInfoRequest& set) {
  wire::Reader reader(set.buffer);
  switch (static_cast<FileInfoClass>(set.file_info_class)) {
    case FileInfoClass::kAllocation: {
      BRAID_TRY(const auto info, wire::FileAllocationInformation::decode(reader));
      return info.allocation_size;
    }
    case FileInfoClass::kEndOfFile: {
      BRAID_TRY(const auto info, wire::FileEndOfFileInformation::decode(reader));
      return info.end_of_file;
    }
    default: {
      BRAID_TRY(const auto info, wire::FileValidDataLengthInformation::decode(reader));
      return info.valid_data_length;
    }
  }
}

// Data never written reads as zeros here, so there is nothing to declare valid.
Result<void> set_valid_data_length(vfs::File& file, uint64_t length) {
  BRAID_TRY(const auto now, file.stat());
  const bool is_plain = !(now.dos_attributes & (vfs::dos::kSparse | vfs::dos::kCompressed));
  if (length > now.size || !is_plain) return fail(NtStatus::kInvalidParameter);
  return {};
}

}  // namespace

Task<Result<void>> set_size_info(Request& request, const wire::SetInfoRequest& set) {
  const auto info_class = static_cast<FileInfoClass>(set.file_info_class);
  BRAID_CO_TRY(const uint64_t size, size_in(set));
  if (request.open->attributes.is_directory || size > kSizeMax) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  if (info_class == FileInfoClass::kValidDataLength) {
    co_return set_valid_data_length(*request.open->file, size);
  }
  BRAID_CO_CHECK(co_await prepare_operation(request, filestate::Operation::kSetSize));
  Open& open = *request.open;
  // Between a look at the size and the change that follows from it nobody writes.
  request.may_take_long();
  auto turn = co_await request.files.writers.take(open.attributes.file_key, request.seat,
                                                  request.seat.owner().user);
  BRAID_CO_CHECK(request.seat.check_wanted());
  vfs::File& file = *open.file;
  BRAID_CO_TRY(const auto now, file.stat());
  const bool sets_end = info_class == FileInfoClass::kEndOfFile;
  if (sets_end ? size != now.size : size < now.size) {
    BRAID_CO_CHECK(file.truncate(size));
  } else if (sets_end) {
    BRAID_CO_CHECK(file.note_modified());
  } else {
    BRAID_CO_CHECK(file.allocate(size));
  }
  turn.end();
  report_resized(request.files, open);
  co_return Result<void>{};
}

}  // namespace braid::smb2
