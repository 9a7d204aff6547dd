// Steps of logon attempts. The input is a list of tokens, each after its size in two bytes; the
// size 0xffff stands for the token a well-behaved client would send next, so that the fuzzer gets
// past the challenge.
#include <cstdlib>

#include "auth/auth_fixture_testing.h"
#include "base/log.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  using namespace braid::auth;
  static auto* const fixture = [] {
    log::set_level(log::Level::kError);
    return new AuthFixture({.server_name = "", .allow_anonymous = true});
  }();

  const auto client = make_ntlm_initiator(
      {.user = AuthFixture::kUser, .domain = "D", .password = AuthFixture::kPassword});
  const auto server = fixture->authenticator().begin();
  Bytes from_server(fixture->authenticator().initial_hint().begin(),
                    fixture->authenticator().initial_hint().end());
  bool is_well_behaved = true;
  while (size >= 2) {
    const size_t wanted = data[0] | data[1] << 8;
    data += 2;
    size -= 2;
    Bytes token;
    if (wanted == 0xffff) {
      auto step = client->step(from_server);
      if (!step) return 0;
      token = std::move(step->token);
    } else {
      is_well_behaved = false;
      const size_t take = std::min(wanted, size);
      token.assign(data, data + take);
      data += take;
      size -= take;
    }
    const auto step = server->step(token);
    (void)server->claimed_account();
    if (!step) return 0;
    if (step->done) {
      if (step->identity == nullptr || step->session_key.size() != 16) std::abort();
      // Nobody logs on by name with bytes of their own making.
      if (!is_well_behaved && !step->identity->is_anonymous &&
          !(step->session_key == client->session_key())) {
        std::abort();
      }
      return 0;
    }
    from_server = step->reply_token;
  }
  return 0;
}
