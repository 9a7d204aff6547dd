// Deleting through a handle: [MS-FSA] 2.1.5.15.3 "FileDispositionInformation" and 2.1.5.15.4
// "FileDispositionInformationEx".
#pragma once

#include "base/bytes.h"
#include "runtime/task.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {

// STATUS_CANNOT_DELETE (READONLY, or the root), STATUS_DIRECTORY_NOT_EMPTY, STATUS_ACCESS_DENIED,
// STATUS_MEDIA_WRITE_PROTECTED; waits for handle caching of others. The handle has DELETE.
Task<Result<void>> set_disposition(Request& request, ByteView buffer);
// The same; STATUS_NOT_SUPPORTED for flags that are not known, for FILE_DISPOSITION_ON_CLOSE of a
// handle that was not opened with FILE_DELETE_ON_CLOSE, and for POSIX semantics of a named stream.
Task<Result<void>> set_disposition_ex(Request& request, ByteView buffer);

}  // namespace braid::smb2
