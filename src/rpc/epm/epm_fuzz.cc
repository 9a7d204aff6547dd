// A tower, and the endpoint mapper's calls. First byte: the call, and the byte order of its stub
// data; the rest is that, and a tower by itself.
#include <cstdint>
#include <cstdlib>

#include "rpc/association.h"
#include "rpc/epm/endpoint.h"
#include "rpc/epm/tower.h"
#include "rpc/interface.h"
#include "rpc/memory_directory.h"

using namespace braid;
using namespace braid::rpc;

namespace {

Bytes pdu(PduType type, uint8_t order, ByteView body) {
  Bytes out;
  wire::Writer w(out);
  PduHeader header;
  header.type = type;
  header.frag_length = static_cast<uint16_t>(PduHeader::kSize + body.size());
  header.encode(w);
  if (order == 0) {
    out[4] = 0;
    std::swap(out[8], out[9]);
  }
  w.bytes(body);
  return out;
}

void check_tower(ByteView octets) {
  const auto tower = epm::Tower::decode(octets);
  if (!tower) return;
  const auto again = epm::Tower::decode(tower->encode());
  if (!again || again->interface != tower->interface || again->port != tower->port ||
      again->transfer_syntax != tower->transfer_syntax || again->address != tower->address) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 60'000) return 0;
  const ByteView stub(data + 1, size - 1);
  check_tower(stub);

  MemoryDirectory memory;
  const Directory directory = memory.directory();
  const epm::Endpoints endpoints{
      {.interface = witness_interface().syntax, .annotation = "Witness", .port = 49'152}};
  Association association({.interface = epm_interface(),
                           .directory = directory,
                           .authenticator = nullptr,
                           .endpoints = &endpoints,
                           .server_address = "192.0.2.1",
                           .server_port = "135"});
  Bytes bind;
  wire::Writer w(bind);
  w.u16(4280);
  w.u16(4280);
  w.u32(0);
  w.u32(1);
  w.u16(0);
  w.u16(1);
  epm_interface().syntax.encode(w);
  kNdrSyntax.encode(w);
  if (!association.receive({}, pdu(PduType::kBind, 1, bind))) std::abort();
  if (association.answers().size() != 1) std::abort();
  Bytes body(8);
  body[data[0] & 0x80 ? 7 : 6] = data[0] & 7;
  body.insert(body.end(), stub.begin(), stub.end());
  (void)association.receive({}, pdu(PduType::kRequest, data[0] & 0x80 ? 0 : 1, body));
  // Each call is answered, at once.
  if (association.answers().size() != 2) std::abort();
  return 0;
}
