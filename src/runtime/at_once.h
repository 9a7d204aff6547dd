// Whether a thread may wait for a disk.
#pragma once

namespace braid {

// Whether the calling thread is within a ScopedAtOnce (identity.h): then what would have to look at
// a disk is EAGAIN, and whoever began the scope does it anew on the pool.
bool must_not_wait();

}  // namespace braid
