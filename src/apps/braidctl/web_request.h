// What braidctl web reads of a request beside its path.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace braid::braidctl {

// The value of a field of a form; nothing where it is missing or not plain. Ids and tokens have no
// characters that are written in another way.
std::string form_field(std::string_view body, std::string_view name);

// The token in an Authorization field: a script's (RFC 6750, Bearer), or the password that a
// browser was told (RFC 7617, Basic).
std::string token_in(std::string_view authorization);

// A target such as "http://HOST/PATH", which a proxy is sent; none for "/PATH".
struct AbsoluteTarget {
  std::string_view host;
  std::string_view path;
};
std::optional<AbsoluteTarget> absolute_target(std::string_view target);

// Whether the Host field is an address, or localhost, with a port or without. A name that somebody
// has made to lead here is none of this server's: a page from there could read everything.
bool is_own_host(std::string_view value);

}  // namespace braid::braidctl
