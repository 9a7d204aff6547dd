// What a user may do with a file.
#pragma once

#include <cstdint>

#include "smb2/session.h"
#include "smb2/tree_connect.h"
#include "vfs/attributes.h"

namespace braid::smb2 {

// The most `principal` could be granted on a file with these owner, group and permission bits, as
// far as they tell; the kernel has the last word when the file is opened for its data.
uint32_t access_by_mode(const Principal& principal, const vfs::Attributes& attributes);

// The same within what the tree connect allows and the READONLY attribute leaves.
uint32_t maximal_access(const Principal& principal, const TreeConnect& tree,
                        const vfs::Attributes& attributes);

}  // namespace braid::smb2
