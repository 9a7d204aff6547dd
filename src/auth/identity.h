// Identity: who a session acts as.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "wire/dtyp/sid.h"

namespace braid::auth {

// The outcome of a logon. Immutable once made and shared as shared_ptr<const Identity>: a
// reauthentication makes a new one, so a request keeps the one it started with. Thread: any.
struct Identity {
  std::string account_name;  // UTF-8, as the user store or the KDC spells it; empty if anonymous
  std::string domain;        // the server's name for local accounts, the realm for Kerberos
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary groups; gid is among them
  wire::Sid user_sid;
  wire::Sid primary_group_sid;
  // Everything an access check compares with besides user_sid: the groups' SIDs and those every
  // logon has (Everyone, Network, Authenticated Users).
  std::vector<wire::Sid> group_sids;
  bool is_guest = false;
  bool is_anonymous = false;
  bool is_admin = false;  // may use the administrative functions of RPC interfaces

  // Whether two logons are of the same user, as [MS-SMB2] asks for session binding, previous
  // sessions and durable handles. SIDs alone do not tell: a server that is not root maps all of its
  // accounts to one uid.
  bool is_same_user(const Identity& other) const;
};

}  // namespace braid::auth
