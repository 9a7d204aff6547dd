// Signals as something to read.
#pragma once

#include <initializer_list>
#include <optional>

#include "base/unique_fd.h"

namespace braid::braidd {

// Ignores what a write can raise by its target or its size: SIGPIPE, and SIGXFSZ beyond a limit of
// file size. The write then fails with an error, which concerns one request; the signal would end
// a process that serves many. Kept by programs that are started.
void ignore_signals_of_writes();

// Blocks `signals` for this thread and those it starts later, and gives a descriptor that becomes
// readable when one arrives.
UniqueFd take_signals(std::initializer_list<int> signals);
// Never blocks.
std::optional<int> next_signal(int fd);

}  // namespace braid::braidd
