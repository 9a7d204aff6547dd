// A counter that two handles take turns to raise under a lock.
#pragma once

#include "context.h"

namespace braid::fault {

// Runs until the context stops and then says what the counter must be.
Task<void> count_under_lock(Context& context);

}  // namespace braid::fault
