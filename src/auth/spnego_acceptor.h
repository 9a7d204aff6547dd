// SpnegoAcceptor: one logon attempt, from its first token to its outcome.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "auth/authenticator.h"
#include "auth/mechanism.h"
#include "wire/spnego/neg_token.h"

namespace braid::auth {

// A mechanism the server offers, in order of preference.
struct OfferedMech {
  wire::Oid oid;
  std::function<std::unique_ptr<AcceptorMech>()> make;
};

// [RFC4178] and [MS-SPNG] 3.2. Takes tokens of SPNEGO, or of NTLM or Kerberos without SPNEGO around
// them; which of the two is settled by the first token. Owner and thread: as AuthExchange.
class SpnegoAcceptor final : public AuthExchange {
 public:
  // `offered` outlives it.
  explicit SpnegoAcceptor(const std::vector<OfferedMech>& offered) : offered_(offered) {}

  Result<AuthStep> step(ByteView token) override;
  std::optional<std::string> claim_to_judge(ByteView token) const override;
  std::string claimed_account() const override;
  std::unique_ptr<MessageSecurity> take_message_security() override;

 private:
  enum class State : uint8_t {
    kWaitFirst,
    kWaitRaw,       // a mechanism's own tokens
    kWaitResp,      // NegTokenResp with the mechanism's next token
    kWaitFinalMic,  // the mechanism is done; the client's mechListMIC is due
    kEnded,
  };

  Result<AuthStep> next(ByteView token);
  std::optional<std::string> claim_in_init(ByteView token) const;
  Result<AuthStep> on_first(ByteView token);
  Result<AuthStep> on_init(ByteView token);
  Result<AuthStep> on_raw(ByteView token);
  Result<AuthStep> on_resp(ByteView token);
  // Feeds the mechanism. `client_mic` is what came with the token.
  Result<AuthStep> feed(ByteView mech_token, const std::optional<Bytes>& client_mic);
  Result<AuthStep> finish(Bytes mech_token, const std::optional<Bytes>& client_mic);
  AuthStep more(wire::NegState state, Bytes mech_token);
  AuthStep complete(wire::NegTokenResp reply);
  bool choose(const wire::Oid& mech);

  const std::vector<OfferedMech>& offered_;
  State state_ = State::kWaitFirst;
  int legs_ = 0;
  bool is_done_ = false;
  std::unique_ptr<AcceptorMech> mech_;
  wire::Oid chosen_;
  bool chosen_told_ = false;   // the supportedMech field goes into our first reply only
  bool mic_required_ = false;  // the client's favourite was not taken: [RFC4178] 5
  Bytes mech_types_der_;
};

}  // namespace braid::auth
