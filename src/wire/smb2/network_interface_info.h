// Payload of FSCTL_QUERY_NETWORK_INTERFACE_INFO.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.32.5.1 "SOCKADDR_STORAGE". Addresses are in network order.
enum class AddressFamily : uint16_t { kInterNetwork = 0x0002, kInterNetworkV6 = 0x0017 };

// [MS-SMB2] 2.2.32.5 "NETWORK_INTERFACE_INFO Response": one address of one interface.
struct NetworkInterfaceInfo {
  static constexpr size_t kSize = 152;
  static constexpr uint32_t kRssCapable = 0x00000001;
  static constexpr uint32_t kRdmaCapable = 0x00000002;

  uint32_t if_index = 0;
  uint32_t capability = 0;
  uint64_t link_speed = 0;  // bits per second
  AddressFamily family = AddressFamily::kInterNetwork;
  uint16_t port = 0;                  // host order; senders put 0
  std::array<uint8_t, 16> address{};  // IPv4 in the first 4 bytes
  uint32_t scope_id = 0;              // IPv6

  bool operator==(const NetworkInterfaceInfo&) const = default;
};

// The whole list. Entries of another address family are skipped when decoded.
struct NetworkInterfaceInfoResponse {
  // A bound for what a client library keeps of a server's answer.
  static constexpr size_t kInterfacesMax = 1024;

  std::vector<NetworkInterfaceInfo> interfaces;

  static Result<NetworkInterfaceInfoResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
