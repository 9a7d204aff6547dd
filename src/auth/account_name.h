// What an account may be called.
#pragma once

#include <string_view>

namespace braid::auth {

// [MS-SAMR] 3.1.1.6, sAMAccountName of a user: up to kAccountNameUnitsMax UTF-16 units.
bool is_valid_account_name(std::string_view name);

}  // namespace braid::auth
