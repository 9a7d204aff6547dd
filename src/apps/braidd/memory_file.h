// A text in a descriptor: how the supervisor gives a process the configuration it has checked.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace braid::braidd {

Result<UniqueFd> make_memory_file(std::string_view text);
// From its start, wherever the descriptor stands; empty when it cannot be read.
std::string read_memory_file(int fd);

}  // namespace braid::braidd
