#include "rpc/witness/notice.h"

#include <algorithm>

#include "wire/utf16.h"

namespace braid::rpc::witness {
namespace {

constexpr size_t kGroupNameUnits = 260;
constexpr uint32_t kServiceVersion = 0x00020000;
// WITNESS_INTERFACE_INFO.Flags.
constexpr uint32_t kIpv4 = 0x1;
constexpr uint32_t kIpv6 = 0x2;
constexpr uint32_t kInterfaceWitness = 0x4;
// IPADDR_INFO.Flags, of which the first two are the same.
constexpr uint32_t kOnline = 0x8;
constexpr uint32_t kOffline = 0x10;

uint32_t family_flag(const IpAddress& address) { return address.is_v6 ? kIpv6 : kIpv4; }

// IPV4 and IPV6 behind each other, of which one is zeros.
void put_addresses(wire::Writer& w, const IpAddress& address) {
  constexpr size_t kV4Size = 4;
  if (address.is_v6) {
    w.zeros(kV4Size);
    w.bytes(address.bytes);
  } else {
    w.bytes(ByteView(address.bytes).first(kV4Size));
    w.zeros(address.bytes.size());
  }
}

}  // namespace

void encode_interface_list(wire::NdrWriter& out, const std::vector<Interface>& interfaces) {
  out.pointer(true);
  out.u32(static_cast<uint32_t>(interfaces.size()));
  out.pointer(true);
  out.u32(static_cast<uint32_t>(interfaces.size()));
  for (const Interface& interface : interfaces) {
    out.align(4);
    Bytes name;
    wire::Writer name_writer(name);
    wire::write_utf16le(name_writer, interface.group_name);
    name.resize(std::min(name.size(), 2 * (kGroupNameUnits - 1)));
    name.resize(2 * kGroupNameUnits);
    out.bytes(name);
    out.u32(kServiceVersion);
    out.u16(static_cast<uint16_t>(interface.state));
    out.align(4);
    Bytes addresses;
    wire::Writer address_writer(addresses);
    put_addresses(address_writer, interface.address);
    out.bytes(addresses);
    out.u32(family_flag(interface.address) | (interface.is_witness ? kInterfaceWitness : 0));
  }
}

Bytes Notice::encode_messages() const {
  Bytes messages;
  if (type == NoticeType::kResourceChange) {
    for (const ResourceChange& change : changes) {
      wire::Writer w(messages);
      w.u32(0);
      w.u32(static_cast<uint32_t>(change.state == State::kUnavailable ? State::kUnavailable
                                                                      : State::kAvailable));
      wire::write_utf16le(w, change.resource_name);
      w.u16(0);
      w.patch_u32(0, static_cast<uint32_t>(w.position()));
    }
    return messages;
  }
  wire::Writer w(messages);
  w.u32(0);
  w.u32(0);
  w.u32(static_cast<uint32_t>(addresses.size()));
  for (const AddressState& one : addresses) {
    uint32_t flags = family_flag(one.address);
    // A share's new home says no more than where it is.
    if (type != NoticeType::kShareMove && one.state == State::kAvailable) flags |= kOnline;
    if (type != NoticeType::kShareMove && one.state == State::kUnavailable) flags |= kOffline;
    w.u32(flags);
    put_addresses(w, one.address);
  }
  w.patch_u32(0, static_cast<uint32_t>(w.position()));
  return messages;
}

void Notice::encode(wire::NdrWriter& out) const {
  const Bytes messages = encode_messages();
  const auto size = static_cast<uint32_t>(messages.size());
  out.pointer(true);
  out.u32(static_cast<uint32_t>(type));
  out.u32(size);
  out.u32(type == NoticeType::kResourceChange ? static_cast<uint32_t>(changes.size()) : 1);
  out.pointer(true);
  out.u32(size);
  out.bytes(messages);
}

}  // namespace braid::rpc::witness
