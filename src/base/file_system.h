// What the number of a file system's kind tells of it.
#pragma once

namespace braid {

// `magic`: statfs::f_type. Every change of its files passes this kernel, so that its change events
// tell of all of them, and its locks of all who have one open.
bool is_of_one_kernel(long magic);

}  // namespace braid
