// What braidctl web reads of a request beside its path.
#pragma once

#include <string>
#include <string_view>

namespace braid::braidctl {

// The value of a field of a form; nothing where it is missing or not plain. Ids and tokens have no
// characters that are written in another way.
std::string form_field(std::string_view body, std::string_view name);

// The token in an Authorization field: a script's (RFC 6750, Bearer), or the password that a
// browser was told (RFC 7617, Basic).
std::string token_in(std::string_view authorization);

// Whether the Host field is an address, or localhost. A name that somebody has made to lead here is
// none of this server's: a page from there could read everything.
bool is_own_host(std::string_view value);

}  // namespace braid::braidctl
