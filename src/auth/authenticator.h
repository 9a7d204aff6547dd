// Authenticator: the one interface by which the server learns who a client is.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/identity.h"
#include "auth/message_security.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace braid::auth {

// A client token larger than this is refused: a Kerberos ticket with a full PAC stays below 48 KiB
// (Windows' MaxTokenSize) and grows by a third at most when wrapped.
inline constexpr size_t kTokenSizeMax = 65'535;
// Legs of one attempt. NTLM under SPNEGO takes 2, with a mechanism change 3, a separate MIC leg 4.
inline constexpr int kLegsMax = 8;

// What one leg of an exchange gave.
struct AuthStep {
  bool done = false;  // false: send reply_token with STATUS_MORE_PROCESSING_REQUIRED
  Bytes reply_token;  // may be empty when done
  // When done:
  std::shared_ptr<const Identity> identity = nullptr;
  crypto::Secret session_key = {};       // 16 bytes; all zero for guests, guessable for anonymous
  crypto::Secret full_session_key = {};  // the whole key: 16 bytes, or 32 of Kerberos with AES-256
  std::optional<FileTime> expires_at = std::nullopt;
  std::string_view method = {};  // "NTLM" or "Kerberos"
  // What the client calls its machine, cut to kMachineNameMax bytes: its word, for administrators.
  // Empty with Kerberos, which has none.
  std::string machine = {};
};
inline constexpr size_t kMachineNameMax = 64;

// One attempt to log on, of one SESSION_SETUP series. Owner: the request series, never the
// connection, as clients run several at once. Thread: one at a time. Ends with the first step that
// is done or fails; later steps fail.
class AuthExchange {
 public:
  virtual ~AuthExchange() = default;

  // May wait for a file or for the Kerberos library: call it on a WorkerPool.
  //
  // Errors are statuses to send as they are:
  //   STATUS_LOGON_FAILURE            unknown user, wrong password, NTLMv1, bad MIC, bad ticket
  //   STATUS_INVALID_PARAMETER        a token that is no token, or one too many
  //   STATUS_ACCOUNT_DISABLED         the password was right, the account is off
  //   STATUS_TIME_DIFFERENCE_AT_DC    Kerberos clock skew
  //   STATUS_INSUFFICIENT_RESOURCES   a token over kTokenSizeMax
  virtual Result<AuthStep> step(ByteView token) = 0;

  // What step() would judge with this token: a password or a ticket, of the account the client
  // claims to be, or of none that it names. None: a leg that only leads there, or no token at all.
  // Cheap; waits for nothing.
  virtual std::optional<std::string> claim_to_judge(ByteView token) const = 0;

  // The account the client named so far, for the log. It is what the client claims. Empty before
  // it named one.
  virtual std::string claimed_account() const = 0;

  // What protects the messages that follow, of a conversation that has a use for it; once, after
  // the step that is done. Null where there is no key that only both sides know, and where the
  // client asked for less than RPC needs.
  virtual std::unique_ptr<MessageSecurity> take_message_security() = 0;
};

// Owner: the worker. Thread: any. Life: outlives its exchanges.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  virtual std::unique_ptr<AuthExchange> begin() const = 0;
  // The same for a conversation of RPC, whose clients log on in DCE style: [MS-RPCE] 2.2.2.12.
  virtual std::unique_ptr<AuthExchange> begin_rpc() const = 0;
  // The NegTokenInit2 for the NEGOTIATE response: [MS-SMB2] 2.2.4, Buffer.
  virtual ByteView initial_hint() const = 0;
};

// The client's side of an exchange. Thread: one at a time.
class AuthInitiator {
 public:
  struct Step {
    bool done = false;  // nothing more is expected from the server
    Bytes token;        // to send; may be empty when done
  };
  virtual ~AuthInitiator() = default;
  // First call: the server's hint from NEGOTIATE (or nothing); then each token received.
  virtual Result<Step> step(ByteView token) = 0;
  // After the last step. Empty before.
  virtual crypto::Secret session_key() const = 0;       // 16 bytes
  virtual crypto::Secret full_session_key() const = 0;  // as AuthStep
};

}  // namespace braid::auth
