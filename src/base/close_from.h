// close_from(): lets go of descriptors that this process was started with, or was forked with.
#pragma once

namespace braid {

// Closes every descriptor from `first` on. REQUIRES: no other thread has one of them.
void close_from(int first);

}  // namespace braid
