// What SPNEGO asks of a mechanism, on either side. For this folder only.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "auth/authenticator.h"
#include "auth/message_security.h"
#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "wire/spnego/neg_token.h"

namespace braid::auth {

// Session.SessionKey, to which longer ones are cut: [MS-SMB2] 3.3.1.8 "Per Session".
inline constexpr size_t kSessionKeySize = 16;

struct MechStep {
  bool done = false;
  Bytes token;  // for the peer; may be empty when done
};

// Integrity of the mechanism list. Valid once the mechanism is done.
class MechIntegrity {
 public:
  virtual ~MechIntegrity() = default;
  // False where no key is shared, as with a guest, or no signing was negotiated.
  virtual bool has_integrity() const = 0;
  virtual Result<Bytes> make_mic(ByteView message) = 0;
  virtual bool verify_mic(ByteView message, ByteView mic) = 0;
};

// The server's side of one attempt. Errors are as AuthExchange::step gives them.
class AcceptorMech : public MechIntegrity {
 public:
  virtual Result<MechStep> step(ByteView token) = 0;
  virtual std::string claimed_account() const = 0;
  // Identity, keys and expiry into `out`. REQUIRES done.
  virtual void take_outcome(AuthStep& out) = 0;
  // Once, after the last MIC; null where no key is shared. REQUIRES done.
  virtual std::unique_ptr<MessageSecurity> take_message_security() = 0;
};

// The client's side. The first step gets an empty token.
class InitiatorMech : public MechIntegrity {
 public:
  virtual const wire::Oid& oid() const = 0;
  virtual Result<MechStep> step(ByteView token) = 0;
  virtual crypto::Secret full_session_key() const = 0;
};

}  // namespace braid::auth
