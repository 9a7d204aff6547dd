// MessageSecurity: what signs and seals the messages after a logon.
#pragma once

#include <cstddef>

#include "base/bytes.h"
#include "base/result.h"

namespace braid::auth {

// A message as [MS-RPCE] 2.2.2.1 "PDU Segments" cuts it.
struct MessageSegments {
  MutableByteView header;
  MutableByteView body;  // what is sealed
  MutableByteView trailer;
  bool header_signing = false;  // whether header and trailer are signed, where both ways are known
};

enum class Protection : uint8_t { kSign, kSeal };

// GSS_WrapEx, GSS_UnwrapEx, GSS_GetMICEx and GSS_VerifyMICEx of one security context, the server's
// side: [MS-NLMP] 3.4.6 to 3.4.9 and [MS-KILE] 3.4.5.4 to 3.4.5.7. Each direction has a sequence
// number, so messages are protected and checked in the order in which they travel. Waits for
// nothing. Owner: whose conversation it is. Thread: one at a time.
class MessageSecurity {
 public:
  virtual ~MessageSecurity() = default;
  virtual bool can_seal() const = 0;
  // Of every message's verifier, in bytes.
  virtual Result<size_t> verifier_size(Protection protection) = 0;
  // Seals the body in place if asked for; the verifier.
  virtual Result<Bytes> protect(Protection protection, const MessageSegments& message) = 0;
  // Unseals the body in place. kAccessDenied: changed, replayed, out of order, or never protected
  // so; nothing that comes after it can be checked either.
  virtual Result<void> check(Protection protection, const MessageSegments& message,
                             ByteView verifier) = 0;
};

}  // namespace braid::auth
