#include "rpc/srvsvc/devices.h"

#include <string>
#include <string_view>
#include <vector>

#include "rpc/enumeration.h"

namespace braid::rpc::srvsvc {
namespace {

// What a path of a share begins with for a client that knows drives only.
constexpr std::string_view kDrive = "C:";
// The name Windows has for direct TCP, the server's name on it, padded as NetBIOS wants it, and
// an address it does not have.
constexpr std::string_view kTransport = "\\Device\\NetbiosSmb";
constexpr std::string_view kTransportAddress = "*SMBSERVER      ";
constexpr std::string_view kNetworkAddress = "000000000000";

// [MS-SRVS] 2.2.4.93 "SERVER_TRANSPORT_INFO_0" to 2.2.4.95 "SERVER_TRANSPORT_INFO_2".
struct TransportRow {
  const std::string& domain;
  uint32_t connections;
  uint32_t level;

  size_t size() const { return 160; }
  void fixed(wire::NdrWriter& out) const {
    out.u32(connections);
    out.pointer(true);
    out.pointer(true);
    out.u32(static_cast<uint32_t>(kTransportAddress.size()));
    out.pointer(true);
    if (level >= 1) out.pointer(true);
    if (level == 2) out.u32(0);  // flags
  }
  void deferred(wire::NdrWriter& out) const {
    out.wide_string(kTransport);
    out.u32(static_cast<uint32_t>(kTransportAddress.size()));
    out.bytes(as_bytes(kTransportAddress));
    out.wide_string(kNetworkAddress);
    if (level >= 1) out.wide_string(domain);
  }
};

}  // namespace

FaultStatus disk_enum(Call& call) {
  (void)call.in.unique_wide_string();
  const uint32_t level = call.in.u32();
  call.in.u32();  // EntriesRead
  // The container is there to be filled: no entries come in.
  if (call.in.pointer()) {
    for (int count = 0; count < 3; ++count) call.in.expect(call.in.u32() == 0);
  }
  call.in.u32();  // PreferedMaximumLength
  const bool has_resume_handle = call.in.pointer();
  const uint32_t resume_handle = has_resume_handle ? call.in.u32() : 0;
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  uint32_t error = win32::kSuccess;
  if (level != 0) {
    error = win32::kInvalidLevel;
  } else if (!call.caller.is_administrator) {
    error = win32::kAccessDenied;
  }
  // One entry more than there are: the list ends with an empty one.
  const std::vector<std::string_view> disks = error == win32::kSuccess
                                                  ? std::vector<std::string_view>{kDrive, ""}
                                                  : std::vector<std::string_view>{};
  const auto count = static_cast<uint32_t>(disks.size());
  wire::NdrWriter& out = call.out;
  out.u32(count);
  out.pointer(count > 0);
  if (count > 0) {
    for (const uint32_t number : {count, 0u, count}) out.u32(number);
    for (const std::string_view disk : disks) {
      // [MS-SRVS] 2.2.4.91 "DISK_INFO": a string in an array of three characters.
      out.u32(0);
      out.u32(static_cast<uint32_t>(disk.size() + 1));
      for (const char c : disk) out.u16(static_cast<uint8_t>(c));
      out.u16(0);
    }
  }
  out.u32(count > 0 ? count - 1 : 0);
  out.pointer(has_resume_handle);
  if (has_resume_handle) out.u32(resume_handle);
  return call.finish(error);
}

FaultStatus transport_enum(Call& call) {
  (void)call.in.unique_wide_string();
  const EnumRequest request = EnumRequest::decode(call.in);
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (request.level > 2) return finish_enum_with_error(call, request, win32::kInvalidLevel);
  if (!call.caller.is_administrator) {
    return finish_enum_with_error(call, request, win32::kAccessDenied);
  }
  const std::string domain = call.directory.identity.facts().workgroup;
  const auto connections = static_cast<uint32_t>(call.directory.sessions.sessions().size());
  return finish_enum(call, request,
                     std::vector<TransportRow>{{domain, connections, request.level}});
}

}  // namespace braid::rpc::srvsvc
