// Extended attributes as clients know them, kept as Linux attributes "user.NAME" like Samba does.
#pragma once

#include <vector>

#include "base/result.h"
#include "vfs/vfs.h"
#include "wire/fscc/full_ea.h"

namespace braid::smb2 {

// All that clients may see, without the server's own book-keeping, in the order of their names.
// None where the file system has no extended attributes. May block, as all of these.
Result<std::vector<wire::FullEa>> load_eas(vfs::File& file);

// EaSize of FileEaInformation; 0 when the attributes cannot be read. EAGAIN within a ScopedAtOnce,
// unless it is known to have none.
Result<uint32_t> ea_size_of(vfs::File& file);

// Sets each in turn; one without a value is removed, and it is no error if it was not there. A name
// that differs from a stored one in case only means that one. Names, flags and the size that would
// result are checked first: STATUS_INVALID_EA_NAME, STATUS_EA_TOO_LARGE, and STATUS_ACCESS_DENIED
// for names the server keeps for itself. STATUS_EAS_NOT_SUPPORTED where the file system has none.
Result<void> store_eas(vfs::File& file, const std::vector<wire::FullEa>& eas);

}  // namespace braid::smb2
