// Who is on the other end of a pipe.
#pragma once

#include <string>

#include "wire/dtyp/sid.h"

namespace braid::rpc {

// What the SMB session established. A value; a pipe keeps the one it was opened with.
struct CallerInfo {
  std::string account_name;
  std::string domain_name;
  wire::Sid sid;
  std::string client_address;  // text, for session lists
  bool is_anonymous = false;
  bool is_guest = false;
  bool is_administrator = false;
};

}  // namespace braid::rpc
