// Shares that are another folder for each user: path = "/home/%U".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace braid::config {

// Whether the path of a share has %U in it, which stands for the name of the account.
bool is_of_homes(std::string_view path);

// What of the path is the same for all: "/home" of "/home/%U/files" and of "/home/u-%U". The path
// itself where it has no %U.
std::string served_folder(std::string_view path);

// Where below served_folder() the folder of `account` is: "alice/files". Nothing for a name that is
// no name of a folder: empty, with a slash or a zero byte, too long, or beginning with a dot.
// REQUIRES is_of_homes(path).
std::optional<std::string> home_below(std::string_view path, std::string_view account);

}  // namespace braid::config
