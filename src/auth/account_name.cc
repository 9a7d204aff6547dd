#include "auth/account_name.h"

#include <algorithm>

#include "auth/user_store.h"
#include "wire/utf16.h"

namespace braid::auth {

bool is_valid_account_name(std::string_view name) {
  // [MS-SAMR] 3.1.1.6 forbids these in sAMAccountName; '@' would read as a principal name.
  constexpr std::string_view kForbidden = "\"/\\[]:;|=,+*?<>@";
  const auto units = wire::utf16le_from_utf8(name);
  if (!units || units->empty() || units->size() / 2 > kAccountNameUnitsMax) return false;
  if (name.back() == '.' || name.back() == ' ' || name.front() == ' ') return false;
  return std::ranges::none_of(name, [&](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || kForbidden.contains(c);
  });
}

}  // namespace braid::auth
