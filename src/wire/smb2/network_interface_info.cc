#include "wire/smb2/network_interface_info.h"

#include <algorithm>

namespace braid::wire {
namespace {

constexpr size_t kIpv4Size = 4;

// One entry; its SOCKADDR_STORAGE is the rest of what `entry` holds. False for a family that is not
// spoken here.
bool decode_entry(Reader& entry, NetworkInterfaceInfo& info) {
  info.if_index = entry.u32();
  info.capability = entry.u32();
  entry.skip(4);
  info.link_speed = entry.u64();
  info.family = entry.as<AddressFamily>();
  info.port = entry.u16_be();
  if (info.family == AddressFamily::kInterNetwork) {
    std::ranges::copy(entry.bytes(kIpv4Size), info.address.begin());
    return true;
  }
  if (info.family != AddressFamily::kInterNetworkV6) return false;
  entry.skip(4);  // FlowInfo
  info.address = entry.array<16>();
  info.scope_id = entry.u32();
  return true;
}

void encode_entry(Writer& w, const NetworkInterfaceInfo& info, bool last) {
  const size_t at = w.position();
  w.u32(last ? 0 : NetworkInterfaceInfo::kSize);
  w.u32(info.if_index);
  w.u32(info.capability);
  w.u32(0);
  w.u64(info.link_speed);
  w.value(info.family);
  w.u16_be(info.port);
  if (info.family == AddressFamily::kInterNetworkV6) {
    w.u32(0);
    w.bytes(info.address);
    w.u32(info.scope_id);
  } else {
    w.bytes(ByteView(info.address).first(kIpv4Size));
  }
  w.zeros(at + NetworkInterfaceInfo::kSize - w.position());
}

}  // namespace

Result<NetworkInterfaceInfoResponse> NetworkInterfaceInfoResponse::decode(Reader& r) {
  NetworkInterfaceInfoResponse response;
  ByteView list = r.rest();
  while (!list.empty() && r.ok()) {
    Reader entry(list);
    const uint32_t next = entry.u32();
    NetworkInterfaceInfo info;
    const bool known = decode_entry(entry, info);
    if (!entry.ok()) r.fail(entry.error());
    r.expect(next == 0 || (next >= NetworkInterfaceInfo::kSize && next < list.size()));
    r.expect(response.interfaces.size() < kInterfacesMax);
    if (known) response.interfaces.push_back(info);
    if (next == 0 || !r.ok()) break;
    list = list.subspan(next);
  }
  return r.finish(std::move(response));
}

void NetworkInterfaceInfoResponse::encode(Writer& w) const {
  for (const NetworkInterfaceInfo& info : interfaces) {
    encode_entry(w, info, &info == &interfaces.back());
  }
}

}  // namespace braid::wire
