// A Volume in memory, for tests and fuzzers.
#pragma once

#include <memory>

#include "base/clock.h"
#include "vfs/quotas.h"
#include "vfs/volume.h"

namespace braid::vfs {

// Empty, writable by everybody: it checks no rights. Times come from `clock`, which must outlive
// it. With `quotas` it says that it has these.
std::unique_ptr<Volume> make_memory_volume(const Clock& clock = system_clock(),
                                           std::shared_ptr<Quotas> quotas = nullptr);

}  // namespace braid::vfs
