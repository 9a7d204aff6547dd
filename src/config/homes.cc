#include "config/homes.h"

#include <algorithm>

namespace braid::config {
namespace {

constexpr std::string_view kAccount = "%U";
constexpr size_t kFolderNameBytesMax = 255;

// Where the part begins that differs.
size_t begin_of_homes(std::string_view path) { return path.rfind('/', path.find(kAccount)) + 1; }

}  // namespace

bool is_of_homes(std::string_view path) { return path.contains(kAccount); }

std::string served_folder(std::string_view path) {
  if (!is_of_homes(path)) return std::string(path);
  return std::string(path.substr(0, std::max<size_t>(1, begin_of_homes(path) - 1)));
}

std::optional<std::string> home_below(std::string_view path, std::string_view account) {
  const bool is_name = !account.empty() && !account.starts_with('.') &&
                       account.size() <= kFolderNameBytesMax &&
                       account.find_first_of(std::string_view("/\0", 2)) == account.npos;
  if (!is_name) return std::nullopt;
  std::string below(path.substr(begin_of_homes(path)));
  // What is put in is not looked at again: an account may be called %U.
  for (size_t at = below.find(kAccount); at != below.npos;
       at = below.find(kAccount, at + account.size())) {
    below.replace(at, kAccount.size(), account);
  }
  return below;
}

}  // namespace braid::config
