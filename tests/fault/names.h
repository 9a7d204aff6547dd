// Files that are created, deleted, renamed and appended to.
#pragma once

#include "context.h"

namespace braid::fault {

// Each runs until the context stops and then says what must be there.
Task<void> create_and_delete(Context& context);
Task<void> rename_again_and_again(Context& context);
Task<void> append_lines(Context& context);

}  // namespace braid::fault
