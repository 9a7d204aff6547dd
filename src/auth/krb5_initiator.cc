#include <gssapi/gssapi_krb5.h>

#include "auth/gss.h"
#include "auth/initiators.h"
#include "auth/mechanism.h"
#include "auth/spnego_initiator.h"
#include "base/log.h"

namespace braid::auth {
namespace {

// One attempt. Owner: a SpnegoInitiator. Thread: one at a time.
class Krb5Initiator final : public InitiatorMech {
 public:
  static Result<std::unique_ptr<InitiatorMech>> make(std::string_view service,
                                                     std::string_view ccache) {
    auto mech = std::make_unique<Krb5Initiator>();
    OM_uint32 minor = 0;
    gss_buffer_desc name = gss_view(as_bytes(service));
    OM_uint32 major =
        gss_import_name(&minor, &name, GSS_C_NT_HOSTBASED_SERVICE, mech->target_.out());
    if (!GSS_ERROR(major)) {
      const std::string location(ccache);
      gss_key_value_element_desc element = {"ccache", location.c_str()};
      const gss_key_value_set_desc store = {ccache.empty() ? 0u : 1u, &element};
      major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, gss_krb5_set(),
                                    GSS_C_INITIATE, &store, mech->cred_.out(), nullptr, nullptr);
    }
    if (GSS_ERROR(major)) {
      log::info("no Kerberos credentials: {}", gss_error_text(major, minor));
      return fail(NtStatus::kNoSuchLogonSession);
    }
    return std::unique_ptr<InitiatorMech>(std::move(mech));
  }

  const wire::Oid& oid() const override { return wire::oids::kKrb5; }

  Result<MechStep> step(ByteView token) override {
    gss_buffer_desc in = gss_view(token);
    GssBuffer out;
    OM_uint32 minor = 0;
    OM_uint32 granted = 0;
    const OM_uint32 major =
        gss_init_sec_context(&minor, cred_.get(), context_.out(), target_.get(), kGssKrb5,
                             GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG | GSS_C_CONF_FLAG |
                                 GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG,
                             0, GSS_C_NO_CHANNEL_BINDINGS, token.empty() ? GSS_C_NO_BUFFER : &in,
                             nullptr, out.out(), &granted, nullptr);
    if (GSS_ERROR(major)) {
      log::info("Kerberos logon failed: {}", gss_error_text(major, minor));
      return fail(NtStatus::kLogonFailure);
    }
    done_ = major == GSS_S_COMPLETE;
    can_sign_ = (granted & GSS_C_INTEG_FLAG) != 0;
    return MechStep{.done = done_, .token = out.copy()};
  }

  crypto::Secret full_session_key() const override { return gss_session_key(context_.get()); }
  bool has_integrity() const override { return done_ && can_sign_; }
  Result<Bytes> make_mic(ByteView message) override {
    return gss_make_mic(context_.get(), message);
  }
  bool verify_mic(ByteView message, ByteView mic) override {
    return gss_check_mic(context_.get(), message, mic);
  }

 private:
  GssName target_;
  GssCred cred_;
  GssContext context_;
  bool done_ = false;
  bool can_sign_ = false;
};

}  // namespace

Result<std::unique_ptr<AuthInitiator>> make_krb5_initiator(std::string_view service,
                                                           std::string_view ccache) {
  BRAID_TRY(auto mech, Krb5Initiator::make(service, ccache));
  return std::make_unique<SpnegoInitiator>(std::move(mech));
}

}  // namespace braid::auth
