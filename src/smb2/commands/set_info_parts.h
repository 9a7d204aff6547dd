// The information types of SET_INFO, each in a file of its own.
#pragma once

#include "runtime/task.h"
#include "smb2/connections/request.h"
#include "wire/smb2/set_info.h"

namespace braid::smb2 {

// 3.3.5.21.1 "Handling SMB2_0_INFO_FILE". Starts and ends on a thread of the worker pool.
Task<Result<void>> set_file_info(Request& request, const wire::SetInfoRequest& set);
// 3.3.5.21.2 "Handling SMB2_0_INFO_FILESYSTEM"
Result<void> set_filesystem_info(Request& request, const wire::SetInfoRequest& set);
// 3.3.5.21.3 "Handling SMB2_0_INFO_SECURITY"
Task<Result<void>> set_security_info(Request& request, const wire::SetInfoRequest& set);
// 3.3.5.21.4 "Handling SMB2_0_INFO_QUOTA"
Result<void> set_quota_info(Request& request, const wire::SetInfoRequest& set);

// FileBasicInformation, [MS-FSA] 2.1.5.15.2.
Result<void> set_basic_info(FileServices& files, Open& open, ByteView buffer);
// FileAllocationInformation, FileEndOfFileInformation and FileValidDataLengthInformation.
Task<Result<void>> set_size_info(Request& request, const wire::SetInfoRequest& set);
// FileFullEaInformation, [MS-FSA] 2.1.5.15.6.
Result<void> set_full_eas(FileServices& files, Open& open, ByteView buffer);
// FileRenameInformation and FileRenameInformationEx, [MS-FSA] 2.1.5.15.12, and
// FileLinkInformation, 2.1.5.15.7.
Task<Result<void>> rename_file(Request& request, ByteView buffer);
Task<Result<void>> rename_file_ex(Request& request, ByteView buffer);
// Of the stream that is open, within its file: `name` is ":new" or ":new:$DATA".
Task<Result<void>> rename_stream(Request& request, std::string name, bool replace);
Task<Result<void>> link_file(Request& request, ByteView buffer);

}  // namespace braid::smb2
