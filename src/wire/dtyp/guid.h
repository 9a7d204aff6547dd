// GUIDs as text. The bytes themselves are braid::Guid (base/ids.h), kept in wire order.
#pragma once

#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"

namespace braid::wire {

// [MS-DTYP] 2.3.4.3 "GUID--Curly Braced String Representation", without the braces:
// "6bffd098-a112-3610-9833-46c3f87e345a", lower case.
std::string to_string(const Guid& guid);
// Takes either case, with or without braces; malformed otherwise.
Result<Guid> parse_guid(std::string_view text);

}  // namespace braid::wire
