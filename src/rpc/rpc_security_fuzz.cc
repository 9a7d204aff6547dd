// A conversation with a logon of its own. First byte: the level, whether the harness logs on, and
// whether header signing is asked for. The rest is split into PDUs, each with a length before it:
// the fuzzer writes header and body; the harness puts lengths, trailer and verifier to those whose
// length is even; a length of 0xff hands everything left to the pipe raw.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/log.h"
#include "rpc/interface.h"
#include "rpc/memory_directory.h"
#include "rpc/pipe_registry.h"
#include "rpc/secured_client_testing.h"
#include "rpc/verification_trailer.h"

using namespace braid;
using namespace braid::rpc;

namespace {

void drain(Pipe& pipe) {
  while (pipe.read(1000)) continue;
  if (pipe.readable_size() != 0) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static auto& logons = *[] {
    log::set_level(log::Level::kError);
    return new auth::AuthFixture;
  }();
  static auto& directory = *new MemoryDirectory;
  static auto& registry = *new PipeRegistry(directory.directory(), &logons.authenticator());
  constexpr AuthLevel kLevels[] = {AuthLevel::kConnect, AuthLevel::kPacket, AuthLevel::kIntegrity,
                                   AuthLevel::kPrivacy};
  const CallerInfo caller;
  const auto pipe = registry.open("srvsvc", caller).value();
  SecuredClient client(kLevels[data[0] % 4], srvsvc_interface().syntax);
  bool is_on = false;
  if (data[0] & 4) {
    Bytes bind = client.bind();
    if (data[0] & 8) bind[3] |= pfc::kSupportHeaderSign;
    if (!pipe->write(caller, bind) || !judge_logons(*pipe, caller)) std::abort();
    const auto ack = pipe->read(65536);
    const Bytes auth3 = client.auth3(ack->data);
    if (auth3.empty() || !pipe->write(caller, auth3) || !judge_logons(*pipe, caller)) std::abort();
    is_on = true;
  }
  ByteView rest(data + 1, size - 1);
  (void)check_verification_trailer(rest, {.opnum = data[0]});
  while (!rest.empty()) {
    const uint8_t length = rest[0];
    rest = rest.subspan(1);
    const ByteView part = length == 0xff ? rest : rest.first(std::min<size_t>(length, rest.size()));
    rest = rest.subspan(part.size());
    Bytes pdu(part.begin(), part.end());
    if (is_on && length % 2 == 0 && pdu.size() >= 24) pdu = client.protect(std::move(pdu));
    if (pipe->write(caller, pdu)) (void)judge_logons(*pipe, caller);
    drain(*pipe);
  }
  return 0;
}
