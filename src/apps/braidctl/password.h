// Asking for a password.
#pragma once

#include <expected>
#include <string>

#include "base/result.h"

namespace braid::braidctl {

// From a terminal: asked twice, not shown. From a pipe: its first line, so that scripts can give it
// without an argument that every user of the machine could read. On failure one line to print.
std::expected<std::string, std::string> read_password(const std::string& account);

}  // namespace braid::braidctl
