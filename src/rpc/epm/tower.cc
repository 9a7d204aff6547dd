#include "rpc/epm/tower.h"

#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::rpc::epm {
namespace {

// Protocol identifiers: [C706] appendix I "Protocol Identifiers".
constexpr uint8_t kUuid = 0x0d;
constexpr uint8_t kConnectionOriented = 0x0b;
constexpr uint8_t kTcp = 0x07;
constexpr uint8_t kIp = 0x09;
constexpr uint16_t kFloors = 5;
// A floor that names an interface or a syntax: the identifier, the UUID, the major version.
constexpr uint16_t kSyntaxSize = 1 + 16 + 2;

struct Floor {
  ByteView protocol;
  ByteView address;

  static Floor decode(wire::Reader& r) {
    Floor floor;
    floor.protocol = r.bytes(r.u16());
    floor.address = r.bytes(r.u16());
    return floor;
  }
  bool is_of(uint8_t protocol_id, size_t address_size) const {
    return protocol.size() == 1 && protocol[0] == protocol_id && address.size() == address_size;
  }
};

Result<SyntaxId> syntax_of(const Floor& floor) {
  if (floor.protocol.size() != kSyntaxSize || floor.protocol[0] != kUuid ||
      floor.address.size() != 2) {
    return fail(Error::unsupported());
  }
  wire::Reader r(floor.protocol, 1);
  SyntaxId syntax;
  syntax.uuid = r.id128<Guid>();
  syntax.version = r.u16();
  syntax.version |= uint32_t{wire::Reader(floor.address).u16()} << 16;
  return syntax;
}

void put_syntax(wire::Writer& w, const SyntaxId& syntax) {
  w.u16(kSyntaxSize);
  w.u8(kUuid);
  w.id128(syntax.uuid);
  w.u16(static_cast<uint16_t>(syntax.version));
  w.u16(2);
  w.u16(static_cast<uint16_t>(syntax.version >> 16));
}

}  // namespace

Result<Tower> Tower::decode(ByteView octets) {
  wire::Reader r(octets);
  const uint16_t floors = r.u16();
  std::array<Floor, kFloors> stack;
  for (uint16_t i = 0; i < floors && r.ok(); ++i) {
    const Floor floor = Floor::decode(r);
    if (i < kFloors) stack[i] = floor;
  }
  if (!r.ok()) return fail(r.error());
  const bool is_tcp = floors == kFloors && stack[2].is_of(kConnectionOriented, 2) &&
                      stack[3].is_of(kTcp, 2) && stack[4].is_of(kIp, 4);
  if (!is_tcp) return fail(Error::unsupported());
  Tower tower;
  BRAID_TRY(tower.interface, syntax_of(stack[0]));
  BRAID_TRY(tower.transfer_syntax, syntax_of(stack[1]));
  tower.port = wire::Reader(stack[3].address).u16_be();
  tower.address = wire::Reader(stack[4].address).array<4>();
  return tower;
}

Bytes Tower::encode() const {
  Bytes octets;
  wire::Writer w(octets);
  w.u16(kFloors);
  put_syntax(w, interface);
  put_syntax(w, transfer_syntax);
  w.u16(1);
  w.u8(kConnectionOriented);
  w.u16(2);
  w.u16(0);  // the minor version
  w.u16(1);
  w.u8(kTcp);
  w.u16(2);
  w.u16_be(port);
  w.u16(1);
  w.u8(kIp);
  w.u16(4);
  w.bytes(address);
  return octets;
}

}  // namespace braid::rpc::epm
