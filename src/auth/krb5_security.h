// Krb5Security: the messages of a conversation that Kerberos protects, by MIT's GSSAPI.
#pragma once

#include "auth/gss.h"
#include "auth/message_security.h"

namespace braid::auth {

// [MS-KILE] 3.4.5.4 "GSS_WrapEx() Call" to 3.4.5.7, for a context of DCE style: all that a message
// gains is in its verifier, whatever the encryption type.
class Krb5Security final : public MessageSecurity {
 public:
  // Takes the context out of `context`. `granted`: its flags.
  Krb5Security(GssContext& context, OM_uint32 granted);
  // Whether a context with these flags protects: it is of DCE style, signs, and sees what is
  // replayed or out of order.
  static bool is_possible(OM_uint32 granted);

  bool can_seal() const override { return can_seal_; }
  Result<size_t> verifier_size(Protection protection) override;
  Result<Bytes> protect(Protection protection, const MessageSegments& message) override;
  Result<void> check(Protection protection, const MessageSegments& message,
                     ByteView verifier) override;

 private:
  GssContext context_;
  const bool can_seal_;
};

}  // namespace braid::auth
