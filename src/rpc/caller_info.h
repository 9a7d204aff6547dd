// Who is on the other end of a pipe.
#pragma once

#include <string>

#include "auth/identity.h"
#include "wire/dtyp/sid.h"

namespace braid::rpc {

// What the SMB session established, or the conversation's own logon. The session's is a value that
// comes with each request: a pipe outlives a reauthentication, which may make the caller somebody
// else.
struct CallerInfo {
  std::string account_name;
  std::string domain_name;
  wire::Sid sid;
  std::string client_address;  // text, for session lists
  bool is_anonymous = false;
  bool is_guest = false;
  bool has_no_account() const { return is_anonymous || is_guest; }
  bool is_administrator = false;
};

CallerInfo caller_info_of(const auth::Identity& identity, std::string client_address);

}  // namespace braid::rpc
