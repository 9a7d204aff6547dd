// What is set of the handle alone: FilePositionInformation and FileModeInformation.
#include "smb2/commands/info_handlers.h"
#include "smb2/common/limits.h"

namespace braid::smb2 {

// [MS-FSA] 2.1.5.15.10 "FilePositionInformation".
Result<void> set_position(Request& request, const wire::FilePositionInformation& info) {
  Open& open = *request.open;
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
Result<void> set_mode(Request& request, const wire::FileModeInformation& info) {
  using Mode = wire::FileModeInformation;
  if (info.mode & ~(Mode::kWriteThrough | Mode::kSequentialOnly)) {
    return fail(NtStatus::kInvalidParameter);
  }
  request.open->mode = info.mode;
  return {};
}

}  // namespace braid::smb2
