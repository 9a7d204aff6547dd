// What a witness tells its clients. [MS-SWN] 2.2.2 "Structures".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "rpc/witness/ip_address.h"
#include "wire/ndr/ndr_writer.h"

namespace braid::rpc::witness {

// Of an interface ([MS-SWN] 2.2.2.5) and of a resource (2.2.2.3): the same numbers.
enum class State : uint16_t { kUnknown = 0, kAvailable = 1, kUnavailable = 0xff };

struct Interface {
  std::string group_name;  // InterfaceGroupName: the node's, at most 15 characters
  State state = State::kAvailable;
  IpAddress address;
  // INTERFACE_WITNESS: clients may register there. Not at the address that the one who asks has
  // come to: who watches an address by the address itself learns of its end by that.
  bool is_witness = false;
};

// [MS-SWN] 2.2.2.6 "WITNESS_INTERFACE_LIST" as the result of a call, with its pointer.
void encode_interface_list(wire::NdrWriter& out, const std::vector<Interface>& interfaces);

// [MS-SWN] 2.2.2.4 "RESP_ASYNC_NOTIFY", MessageType.
enum class NoticeType : uint32_t {
  kResourceChange = 1,
  kClientMove = 2,
  kShareMove = 3,
  kIpChange = 4,
};

struct ResourceChange {
  std::string resource_name;
  State state = State::kUnavailable;
  bool operator==(const ResourceChange&) const = default;
};

struct AddressState {
  IpAddress address;
  State state = State::kAvailable;
  bool operator==(const AddressState&) const = default;
};

// The answer to one WitnessrAsyncNotify.
struct Notice {
  NoticeType type = NoticeType::kResourceChange;
  std::vector<ResourceChange> changes;  // of kResourceChange
  std::vector<AddressState> addresses;  // of the others: where to go, or what has changed

  // MessageBuffer: [MS-SWN] 2.2.2.3 "RESOURCE_CHANGE", one behind the other, or 2.2.2.2
  // "IPADDR_INFO_LIST".
  Bytes encode_messages() const;
  // RESP_ASYNC_NOTIFY as the result of a call, with its pointer.
  void encode(wire::NdrWriter& out) const;
};

}  // namespace braid::rpc::witness
