// Initiators: how a client logs on.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "auth/authenticator.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace braid::auth {

struct NtlmCredentials {
  std::string user;  // empty: anonymous
  std::string domain;
  std::string password;
  std::string workstation = "BRAID";
};

// NTLMv2 inside SPNEGO with MIC and mechListMIC.
std::unique_ptr<AuthInitiator> make_ntlm_initiator(NtlmCredentials credentials,
                                                   const Clock& clock = system_clock());
// NTLMv2 without SPNEGO around it, as the Linux kernel client sends it.
std::unique_ptr<AuthInitiator> make_raw_ntlm_initiator(NtlmCredentials credentials,
                                                       const Clock& clock = system_clock());
// Kerberos inside SPNEGO from the default credential cache, or from `ccache` ("FILE:/path") if
// given. `service` is "cifs@host". Fails if there are no credentials.
Result<std::unique_ptr<AuthInitiator>> make_krb5_initiator(std::string_view service,
                                                           std::string_view ccache = {});

}  // namespace braid::auth
