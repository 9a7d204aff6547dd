#include "rpc/lsarpc/policy.h"

namespace braid::rpc::lsarpc {
namespace {

// [MS-LSAD] 2.2.4.1 "POLICY_INFORMATION_CLASS".
enum class PolicyClass : uint16_t {
  kPrimaryDomain = 3,
  kAccountDomain = 5,
  kServerRole = 6,
  kDnsDomain = 12,
};
constexpr bool is_answered(uint16_t info_class) {
  switch (static_cast<PolicyClass>(info_class)) {
    case PolicyClass::kPrimaryDomain:
    case PolicyClass::kAccountDomain:
    case PolicyClass::kServerRole:
    case PolicyClass::kDnsDomain:
      return true;
  }
  return false;
}
constexpr uint16_t kRolePrimary = 3;  // [MS-LSAD] 2.2.4.8 "POLICY_LSA_SERVER_ROLE"

// [MS-LSAD] 2.2.2.4 "LSAPR_OBJECT_ATTRIBUTES". No field means anything to a server; only a quality
// of service is ever there.
void skip_object_attributes(wire::NdrReader& in) {
  in.u32();                  // Length
  in.expect(!in.pointer());  // RootDirectory
  in.expect(!in.pointer());  // ObjectName
  in.u32();                  // Attributes
  in.expect(!in.pointer());  // SecurityDescriptor
  if (in.pointer()) {        // SecurityQualityOfService
    in.u32();
    in.u16();
    in.u8();
    in.u8();
  }
  in.align(4);
}

FaultStatus finish_open(Call& call) {
  skip_object_attributes(call.in);
  call.in.u32();  // desired access: every call checks the caller by itself
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  const wire::NdrContextHandle handle = call.handles.open({HandleKind::kLsaPolicy, {}});
  call.out.context_handle(handle);
  return call.finish(handle.is_null() ? NtStatus::kInsufficientResources : NtStatus::kSuccess);
}

// [MS-LSAD] 2.2.4.5 "LSAPR_POLICY_PRIMARY_DOM_INFO" and 2.2.4.6 "LSAPR_POLICY_ACCOUNT_DOM_INFO".
void write_domain(wire::NdrWriter& out, std::string_view name,
                  const std::optional<wire::Sid>& sid) {
  out.unicode_header_large(name);
  out.pointer(sid.has_value());
  out.unicode_body_large(name);
  if (sid) out.sid(*sid);
}

// [MS-LSAD] 2.2.4.14 "LSAPR_POLICY_DNS_DOMAIN_INFO".
void write_dns_domain(wire::NdrWriter& out, const ServerFacts& facts) {
  out.unicode_header_large(facts.workgroup);
  out.unicode_header_large(facts.dns_domain_name);
  out.unicode_header_large(facts.dns_domain_name);  // forest
  out.guid(facts.primary_domain_guid);
  out.pointer(facts.primary_domain_sid.has_value());
  out.unicode_body_large(facts.workgroup);
  out.unicode_body_large(facts.dns_domain_name);
  out.unicode_body_large(facts.dns_domain_name);
  if (facts.primary_domain_sid) out.sid(*facts.primary_domain_sid);
}

}  // namespace

bool read_policy_handle(Call& call) {
  return call.handles.find(call.in.context_handle(), HandleKind::kLsaPolicy).has_value();
}

FaultStatus close(Call& call) {
  const wire::NdrContextHandle handle = call.in.context_handle();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!call.handles.close(handle)) return FaultStatus::kContextMismatch;
  call.out.context_handle({});
  return call.finish(NtStatus::kSuccess);
}

FaultStatus open_policy(Call& call) {
  if (call.in.pointer()) call.in.u16();  // SystemName: one character, by an old mistake
  return finish_open(call);
}

FaultStatus open_policy2(Call& call) {
  (void)call.in.unique_wide_string();
  return finish_open(call);
}

FaultStatus query_information_policy(Call& call) {
  const bool known = read_policy_handle(call);
  const uint16_t info_class = call.in.u16();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!known) return FaultStatus::kContextMismatch;
  wire::NdrWriter& out = call.out;
  if (!is_answered(info_class)) {
    out.pointer(false);
    return call.finish(NtStatus::kInvalidParameter);
  }
  const ServerFacts facts = call.directory.identity.facts();
  out.pointer(true);
  out.u16(info_class);
  out.align(4);
  switch (static_cast<PolicyClass>(info_class)) {
    case PolicyClass::kPrimaryDomain:
      write_domain(out, facts.workgroup, facts.primary_domain_sid);
      break;
    case PolicyClass::kAccountDomain:
      write_domain(out, facts.netbios_name, facts.account_domain_sid);
      break;
    case PolicyClass::kServerRole:
      out.u16(kRolePrimary);
      break;
    case PolicyClass::kDnsDomain:
      write_dns_domain(out, facts);
      break;
  }
  return call.finish(NtStatus::kSuccess);
}

FaultStatus enumerate_privileges(Call& call) {
  const bool known = read_policy_handle(call);
  const uint32_t context = call.in.u32();
  call.in.u32();  // preferred maximum length
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!known) return FaultStatus::kContextMismatch;
  call.out.u32(context);
  call.out.u32(0);
  call.out.pointer(false);
  return call.finish(NtStatus::kNoMoreEntries);
}

FaultStatus enumerate_accounts(Call& call) { return enumerate_privileges(call); }

FaultStatus enumerate_trusted_domains(Call& call) { return enumerate_privileges(call); }

FaultStatus get_user_name(Call& call) {
  wire::NdrReader& in = call.in;
  (void)in.unique_wide_string();
  if (in.pointer()) {
    const wire::NdrUnicodeHeader header = in.unicode_header();
    (void)in.unicode_body(header);
  }
  const bool wants_domain = in.pointer();
  if (wants_domain && in.pointer()) {
    const wire::NdrUnicodeHeader header = in.unicode_header();
    (void)in.unicode_body(header);
  }
  if (!in.ok()) return FaultStatus::kBadStubData;
  const std::string user =
      call.caller.is_anonymous ? std::string("ANONYMOUS LOGON") : call.caller.account_name;
  const std::string domain =
      call.caller.is_anonymous ? std::string("NT AUTHORITY") : call.caller.domain_name;
  wire::NdrWriter& out = call.out;
  out.pointer(true);
  out.unicode_header(user);
  out.unicode_body(user);
  out.pointer(wants_domain);
  if (wants_domain) {
    out.pointer(true);
    out.unicode_header(domain);
    out.unicode_body(domain);
  }
  return call.finish(NtStatus::kSuccess);
}

}  // namespace braid::rpc::lsarpc
