// Krb5Acceptor: the server's side of Kerberos, by MIT's GSSAPI.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "auth/gss.h"
#include "auth/identity_maker.h"
#include "auth/mechanism.h"
#include "base/clock.h"

namespace braid::auth {

// The server's keys: all principals of one keytab, so that a node's and a cluster's name both work.
// Kerberos is named explicitly: a credential for every mechanism would let plug-ins of the machine
// answer clients. Thread: any.
class Krb5Credential {
 public:
  // Reads the keytab; what is in it is read again by the library at each logon. Waits for
  // base/ask_apart.h's kAskTime at most, as its disk may hang, and then gives a credential that has
  // its keys once the disk answers. The error says why the file is no keytab.
  static std::expected<std::unique_ptr<Krb5Credential>, std::string> from_keytab(
      const std::string& path);
  // GSS_C_NO_CREDENTIAL while its disk has not answered.
  gss_cred_id_t get() const;
  // Whether the keytab can be read now, without a wait that has no end: a logon that hangs in it
  // would hold a thread that logons of all kinds need. Waits for kAskTime at most.
  bool answers() const;

 private:
  struct Reading;
  explicit Krb5Credential(std::shared_ptr<Reading> reading) : reading_(std::move(reading)) {}
  const std::shared_ptr<Reading> reading_;  // with the thread that reads
};

// Whether the first token has a frame of GSS around it. In DCE style it has none, and the library
// refuses one there; some clients of RPC send one all the same, which Windows takes.
enum class Krb5Style : uint8_t { kGss, kDce };

// One attempt. Owner: an AuthExchange. Thread: one at a time.
class Krb5Acceptor final : public AcceptorMech {
 public:
  Krb5Acceptor(const Krb5Credential& credential, const IdentityMaker& identities,
               const Clock& clock, Krb5Style style)
      : credential_(credential), identities_(identities), clock_(clock), style_(style) {}

  Result<MechStep> step(ByteView token) override;
  std::string claimed_account() const override { return principal_; }
  void take_outcome(AuthStep& out) override;
  bool has_integrity() const override {
    return identity_ != nullptr && (granted_ & GSS_C_INTEG_FLAG);
  }
  Result<Bytes> make_mic(ByteView message) override {
    return gss_make_mic(context_.get(), message);
  }
  bool verify_mic(ByteView message, ByteView mic) override {
    return gss_check_mic(context_.get(), message, mic);
  }
  std::unique_ptr<MessageSecurity> take_message_security() override;

 private:
  Result<void> take_name(gss_name_t name);

  const Krb5Credential& credential_;
  const IdentityMaker& identities_;
  const Clock& clock_;
  const Krb5Style style_;
  GssContext context_;
  std::string principal_;
  OM_uint32 granted_ = 0;  // the context's flags, once it is done
  std::shared_ptr<const Identity> identity_;
  std::optional<FileTime> expires_at_;
};

}  // namespace braid::auth
