#include "rpc/wkssvc/workstation.h"

#include "rpc/enumeration.h"

namespace braid::rpc {
namespace {

constexpr uint32_t kPlatformNt = 500;

// Rows of WKSTA_USER_INFO_0 and _1: there are none.
struct NoRow {
  size_t size() const { return 0; }
  void fixed(wire::NdrWriter&) const {}
  void deferred(wire::NdrWriter&) const {}
};

}  // namespace

FaultStatus wkssvc::get_info(Call& call) {
  (void)call.in.unique_wide_string();
  const uint32_t level = call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  uint32_t error = win32::kSuccess;
  if (level < 100 || level > 102) {
    error = win32::kInvalidLevel;
  } else if (level == 102 && !call.caller.is_administrator) {
    error = win32::kAccessDenied;
  }
  wire::NdrWriter& out = call.out;
  out.u32(level);
  out.pointer(error == win32::kSuccess);
  if (error == win32::kSuccess) {
    // [MS-WKST] 2.2.5.1 "WKSTA_INFO_100" to 2.2.5.3 "WKSTA_INFO_102", each one more field.
    const ServerFacts facts = call.directory.identity.facts();
    out.u32(kPlatformNt);
    out.pointer(true);
    out.pointer(true);
    out.u32(facts.version_major);
    out.u32(facts.version_minor);
    if (level >= 101) out.pointer(true);
    if (level == 102) out.u32(0);  // logged-on users
    out.wide_string(facts.netbios_name);
    out.wide_string(facts.workgroup);
    if (level >= 101) out.wide_string("");
  }
  return call.finish(error);
}

FaultStatus wkssvc::user_enum(Call& call) {
  (void)call.in.unique_wide_string();
  const EnumRequest request = EnumRequest::decode(call.in);
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (request.level > 1) return finish_enum_with_error(call, request, win32::kInvalidLevel);
  if (!call.caller.is_administrator) {
    return finish_enum_with_error(call, request, win32::kAccessDenied);
  }
  return finish_enum(call, request, std::vector<NoRow>{});
}

FaultStatus wkssvc::transport_enum(Call& call) {
  (void)call.in.unique_wide_string();
  const EnumRequest request = EnumRequest::decode(call.in);
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (request.level != 0) return finish_enum_with_error(call, request, win32::kInvalidLevel);
  return finish_enum(call, request, std::vector<NoRow>{});
}

FaultStatus wkssvc::get_join_information(Call& call) {
  constexpr uint16_t kWorkgroup = 2;  // [MS-WKST] 2.2.3.1 "NETSETUP_JOIN_STATUS"
  constexpr uint16_t kDomain = 3;
  (void)call.in.unique_wide_string();
  (void)call.in.unique_wide_string();  // NameBuffer: ignored
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  const ServerFacts facts = call.directory.identity.facts();
  const bool is_member = facts.primary_domain_sid.has_value();
  call.out.unique_wide_string(is_member ? facts.dns_domain_name : facts.workgroup);
  call.out.u16(is_member ? kDomain : kWorkgroup);
  return call.finish(win32::kSuccess);
}

namespace {

constexpr Operation kOperations[] = {
    {0, wkssvc::get_info},
    {2, wkssvc::user_enum},
    {5, wkssvc::transport_enum},
    {20, wkssvc::get_join_information},
};

// 6bffd098-a112-3610-9833-46c3f87e345a version 1.0: [MS-WKST] 1.9 "Standards Assignments".
constexpr Interface kInterface{"wkssvc",
                               {{{0x98, 0xd0, 0xff, 0x6b, 0x12, 0xa1, 0x10, 0x36, 0x98, 0x33, 0x46,
                                  0xc3, 0xf8, 0x7e, 0x34, 0x5a}},
                                1},
                               kOperations,
                               true};

}  // namespace

const Interface& wkssvc_interface() { return kInterface; }

}  // namespace braid::rpc
