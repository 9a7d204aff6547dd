// Messages of any bytes; what decodes must survive being encoded and decoded again.
#include <cstdlib>

#include "wire/ntlm/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid::wire::ntlm;
  // No field of a message is longer than its 16-bit length says, so neither are useful inputs.
  if (size > 4096) return 0;
  const braid::ByteView message(data, size);
  if (const auto negotiate = NegotiateMessage::decode(message)) {
    if (!NegotiateMessage::decode(negotiate->encode())) std::abort();
  }
  if (const auto challenge = ChallengeMessage::decode(message)) {
    auto copy = *challenge;
    copy.negotiate_flags |= flags::kUnicode;
    if (!ChallengeMessage::decode(copy.encode())) std::abort();
  }
  if (const auto authenticate = AuthenticateMessage::decode(message)) {
    auto copy = *authenticate;
    copy.negotiate_flags |= flags::kUnicode;
    const auto again = AuthenticateMessage::decode(copy.encode());
    if (!again || again->user_name != copy.user_name || again->nt_response != copy.nt_response) {
      std::abort();
    }
    (void)Ntlmv2Response::decode(authenticate->nt_response);
  }
  (void)Ntlmv2Response::decode(message);
  return 0;
}
