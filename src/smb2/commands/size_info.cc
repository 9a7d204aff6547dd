// FileAllocationInformation, FileEndOfFileInformation and FileValidDataLengthInformation:
// [MS-FSA] 2.1.5.15.1, 2.1.5.15.5 and 2.1.5.15.15.
#include "smb2/commands/info_handlers.h"
#include "smb2/common/limits.h"
#include "smb2/files/directory_leases.h"
#include "smb2/files/file_services.h"
#include "smb2/files/operation.h"
#include "smb2/files/report.h"

namespace braid::smb2 {
namespace {

enum class SizeKind : uint8_t { kAllocation, kEndOfFile };

Result<void> check_size(const Open& open, uint64_t size) {
  if (open.attributes.is_directory || size > kSizeMax) return fail(NtStatus::kInvalidParameter);
  return {};
}

Task<Result<void>> set_size(Request& request, SizeKind kind, uint64_t size) {
  BRAID_CO_CHECK(check_size(*request.open, size));
  // Between a look at the size and the change that follows from it nobody writes.
  BRAID_CO_TRY(auto turn, co_await begin_write(request, filestate::Operation::kSetSize, {}));
  Open& open = *request.open;
  vfs::File& file = *open.file;
  BRAID_CO_TRY(const auto now, file.stat());
  const bool sets_end = kind == SizeKind::kEndOfFile;
  if (sets_end ? size != now.size : size < now.size) {
    BRAID_CO_CHECK(file.truncate(size));
  } else if (sets_end) {
    BRAID_CO_CHECK(file.note_modified());
  } else {
    BRAID_CO_CHECK(file.allocate(size));
  }
  turn.end();
  report_resized(request.files, open);
  child_changed(request.files, open);
  co_return Result<void>{};
}

}  // namespace

Task<Result<void>> set_allocation(Request& request, wire::FileAllocationInformation info) {
  return set_size(request, SizeKind::kAllocation, info.allocation_size);
}

Task<Result<void>> set_end_of_file(Request& request, wire::FileEndOfFileInformation info) {
  return set_size(request, SizeKind::kEndOfFile, info.end_of_file);
}

// Data never written reads as zeros here, so there is nothing to declare valid.
Result<void> set_valid_data_length(Request& request,
                                   const wire::FileValidDataLengthInformation& info) {
  BRAID_CHECK(check_size(*request.open, info.valid_data_length));
  BRAID_TRY(const auto now, request.open->file->stat());
  const bool is_plain = !(now.dos_attributes & (vfs::dos::kSparse | vfs::dos::kCompressed));
  if (info.valid_data_length > now.size || !is_plain) return fail(NtStatus::kInvalidParameter);
  return {};
}

}  // namespace braid::smb2
