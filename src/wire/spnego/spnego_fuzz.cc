// Tokens of any bytes; what decodes must survive being encoded and decoded again.
#include <cstdlib>

#include "wire/spnego/neg_token.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid::wire;
  const braid::ByteView token(data, size);
  token_kind(token);
  if (const auto init = NegTokenInit::decode(token)) {
    const auto again = NegTokenInit::decode(init->encode());
    if (!again || again->mech_types != init->mech_types || again->mech_token != init->mech_token) {
      std::abort();
    }
  }
  if (const auto resp = NegTokenResp::decode(token)) {
    const auto again = NegTokenResp::decode(resp->encode());
    if (!again || again->response_token != resp->response_token ||
        again->mech_list_mic != resp->mech_list_mic) {
      std::abort();
    }
  }
  return 0;
}
