// LogonTurn: a logon waits until it may be judged; and how it is judged.
#pragma once

#include <optional>
#include <string_view>

#include "auth/authenticator.h"
#include "auth/logon_penalties.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {

// One attempt of a SESSION_SETUP to be judged: auth::LogonPenalties, and what the other workers
// have to know of it. A leg that judges nothing has none. Owned by the handler's coroutine.
// Thread: the connection's reactor.
class LogonTurn {
 public:
  LogonTurn(Request& request, std::string account);
  // What was judged and did not succeed has failed.
  ~LogonTurn();
  LogonTurn(const LogonTurn&) = delete;
  LogonTurn& operator=(const LogonTurn&) = delete;

  // Done when it may be judged, holding no thread meanwhile. STATUS_INSUFFICIENT_RESOURCES: there
  // are too many attempts, and this one is not judged. STATUS_USER_SESSION_DELETED: the connection
  // is lost. CANCEL does not end it: a guesser must not get out of it so.
  Task<Result<void>> wait();
  void succeeded(std::string_view account);
  // Another leg decides.
  void goes_on();

 private:
  void take_back();

  Request& request_;
  auth::LogonClaim claim_;
  auth::LogonPenalties::Attempt attempt_;
  bool is_judged_ = false;
};

// Of a logon whose name is no account's, where guests are not let in: STATUS_LOGON_FAILURE in its
// place, and a line that says why. `account`: as the client claims.
void refuse_guest(Result<auth::AuthStep>& step, const std::string& account);

// One leg of a logon, as the server, on a thread for logons; continues on the connection's reactor.
// Errors as AuthExchange::step(), and STATUS_USER_SESSION_DELETED when nobody waits for it any
// more. The arguments outlive it.
Task<Result<auth::AuthStep>> take_logon_step(Request& request, auth::AuthExchange& exchange,
                                             ByteView token);

}  // namespace braid::smb2
