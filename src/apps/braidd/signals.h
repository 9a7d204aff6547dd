// Signals as something to read.
#pragma once

#include <initializer_list>
#include <optional>

#include "base/unique_fd.h"

namespace braid::braidd {

// Blocks `signals` for this thread and those it starts later, and gives a descriptor that becomes
// readable when one arrives.
UniqueFd take_signals(std::initializer_list<int> signals);
// Never blocks.
std::optional<int> next_signal(int fd);

}  // namespace braid::braidd
