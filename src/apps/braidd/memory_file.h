// A text in a descriptor: how the supervisor gives a process the configuration it has checked.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace braid::braidd {

Result<UniqueFd> make_memory_file(std::string_view text);
// The same for bytes that nobody can change any more, nor make fewer.
Result<UniqueFd> make_sealed_file(ByteView bytes);
// Of such a file, whole. EPERM: it is not sealed, so it may become another one while it is read.
Result<Bytes> read_sealed_file(int fd);
// From its start, wherever the descriptor stands; empty when it cannot be read.
std::string read_memory_file(int fd);

}  // namespace braid::braidd
