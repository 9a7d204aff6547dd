// What the rows of the information classes call, each in the file of its subject.
#pragma once

#include <string>

#include "runtime/task.h"
#include "smb2/commands/info_rows.h"
#include "wire/fscc/file_information.h"
#include "wire/fscc/set_information.h"

namespace braid::smb2 {

// FileFullEaInformation, [MS-FSA] 2.1.5.12.12 and 2.1.5.15.6.
Result<QueryAnswer> query_full_eas(Request& request, const wire::QueryInfoRequest& query);
Task<Result<void>> set_full_eas(Request& request, const wire::SetInfoRequest& set);

// FileBasicInformation, [MS-FSA] 2.1.5.15.2.
Result<void> set_basic_info(Request& request, const wire::FileBasicInformation& basic);
// FilePositionInformation and FileModeInformation, [MS-FSA] 2.1.5.15.10 and 2.1.5.15.8.
Result<void> set_position(Request& request, const wire::FilePositionInformation& info);
Result<void> set_mode(Request& request, const wire::FileModeInformation& info);

// [MS-FSA] 2.1.5.15.1, 2.1.5.15.5 and 2.1.5.15.15. Like all below, they start and end on a thread
// of the worker pool, and wait for the caching of others.
Task<Result<void>> set_allocation(Request& request, wire::FileAllocationInformation info);
Task<Result<void>> set_end_of_file(Request& request, wire::FileEndOfFileInformation info);
Result<void> set_valid_data_length(Request& request, const wire::FileValidDataLengthInformation&);

// FileRenameInformation and FileRenameInformationEx, [MS-FSA] 2.1.5.15.12, and
// FileLinkInformation, 2.1.5.15.7.
Task<Result<void>> rename_file(Request& request, wire::FileRenameInformation info);
Task<Result<void>> rename_file_ex(Request& request, wire::FileRenameInformationEx info);
Task<Result<void>> link_file(Request& request, wire::FileLinkInformation info);
// Of the stream that is open, within its file: `name` is ":new" or ":new:$DATA".
Task<Result<void>> rename_stream(Request& request, std::string name, bool replace);

// Deleting through a handle: [MS-FSA] 2.1.5.15.3 "FileDispositionInformation".
// STATUS_CANNOT_DELETE (READONLY, or the root), STATUS_DIRECTORY_NOT_EMPTY, STATUS_ACCESS_DENIED,
// STATUS_MEDIA_WRITE_PROTECTED.
Task<Result<void>> set_disposition(Request& request, wire::FileDispositionInformation info);
// 2.1.5.15.4 "FileDispositionInformationEx". The same; STATUS_NOT_SUPPORTED for flags that are not
// known, for FILE_DISPOSITION_ON_CLOSE of a handle that was not opened with FILE_DELETE_ON_CLOSE,
// and for POSIX semantics of a named stream.
Task<Result<void>> set_disposition_ex(Request& request, wire::FileDispositionInformationEx info);

}  // namespace braid::smb2
