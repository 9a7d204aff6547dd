// What a Volume in memory says it has and does beyond the usual, for tests of what is rare.
#pragma once

#include <optional>

#include "vfs/volume.h"

namespace braid::vfs {

// Of what make_memory_volume() gave, which says and does what is set here: with `reflink` it clones
// ranges of whole blocks of 4096 bytes, with `compression` it takes set_compressed(), and with
// `streams` or `hard_links` off it says only that it has none. REQUIRES: nobody else uses it.
Features& features_of(Volume& memory);

// Whether it keeps checksums of its files; empty: it knows none. REQUIRES as above.
void set_checksums(Volume& memory, std::optional<bool> kept);

// What everybody is told of the file that was found, to be changed. REQUIRES as above.
Attributes& attributes_of(const Found& found);

}  // namespace braid::vfs
