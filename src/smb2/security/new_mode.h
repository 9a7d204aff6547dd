// The permission bits that new files get where no descriptor says more.
#pragma once

#include <cstdint>

#include "smb2/security/descriptor_store.h"
#include "smb2/shares/share.h"

namespace braid::smb2 {

// For open() or mkdir() below `directory`. Where it has a default access list the kernel takes from
// that, so all are offered to it: 0666, or 0777 for a folder. Elsewhere `share`'s mask decides, as
// a umask would, or usual_mask(). The owner is never left without the own file.
uint32_t new_mode(const Share& share, const FileSecurity& directory, bool is_directory);

// While a descriptor is still to be stored: nobody else gets at it before that is there.
constexpr uint32_t private_mode(bool is_directory) { return is_directory ? 0700 : 0600; }

}  // namespace braid::smb2
