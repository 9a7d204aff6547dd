// The server's Authenticator: SPNEGO over NTLMv2 and Kerberos.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "auth/authenticator.h"
#include "auth/id_mapper.h"
#include "auth/unix_user.h"
#include "auth/user_store.h"
#include "base/clock.h"

namespace braid::auth {

struct AuthOptions {
  std::string server_name;  // NetBIOS-like: upper-cased and cut to 15 characters for NTLM
  std::string dns_name;     // fully qualified, may equal server_name
  std::string domain_name;  // the workgroup; empty means server_name
  std::string keytab;       // path; empty: no Kerberos
  // The lowest uid of who logs on, where the server can act as others.
  uid_t min_uid = kMinUid;
  bool allow_ntlm = true;
  // An anonymous logon succeeds with Identity::is_anonymous; the caller decides what it may reach.
  bool allow_anonymous = false;
  // A user name that is not in the store logs on as guest, whatever the password. A wrong password
  // of a known user never does.
  bool map_unknown_to_guest = false;
  std::string guest_unix_user = "nobody";
};

// `users`, `ids` and `clock` outlive the result. The error says why the keytab cannot be used; one
// whose disk does not answer is no error, see Krb5Credential.
std::expected<std::unique_ptr<Authenticator>, std::string> make_server_authenticator(
    AuthOptions options, const UserStore& users, const IdMapper& ids,
    const Clock& clock = system_clock());

}  // namespace braid::auth
