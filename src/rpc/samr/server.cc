#include "rpc/samr/server.h"

#include "rpc/samr/rid_list.h"
#include "wire/fold.h"

namespace braid::rpc::samr {
namespace {

constexpr std::string_view kBuiltinName = "Builtin";
constexpr uint32_t kRevision = 3;  // [MS-SAMR] 2.2.7.15 "SAMPR_REVISION_INFO_V1", Revision
constexpr uint32_t kNoSuchDomain = 0xC00000DF;  // STATUS_NO_SUCH_DOMAIN

}  // namespace

std::optional<HandleEntry> read_handle(Call& call, HandleKind kind) {
  return call.handles.find(call.in.context_handle(), kind);
}

FaultStatus finish_open(Call& call, HandleKind kind, const wire::Sid& sid) {
  const wire::NdrContextHandle handle = call.handles.open({kind, sid});
  call.out.context_handle(handle);
  return call.finish(handle.is_null() ? NtStatus::kInsufficientResources : NtStatus::kSuccess);
}

FaultStatus connect(Call& call) {
  if (call.in.pointer()) call.in.u16();  // ServerName: one character
  call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  return finish_open(call, HandleKind::kSamServer, {});
}

FaultStatus connect2(Call& call) {
  (void)call.in.unique_wide_string();
  call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  return finish_open(call, HandleKind::kSamServer, {});
}

FaultStatus connect4(Call& call) {
  (void)call.in.unique_wide_string();
  call.in.u32();  // client revision
  call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  return finish_open(call, HandleKind::kSamServer, {});
}

FaultStatus connect5(Call& call) {
  (void)call.in.unique_wide_string();
  call.in.u32();
  const uint32_t in_version = call.in.u32();
  call.in.expect(in_version == 1 && call.in.u32() == in_version);  // union
  call.in.u32();
  call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  call.out.u32(1);
  call.out.u32(1);
  call.out.u32(kRevision);
  call.out.u32(0);  // supported features
  return finish_open(call, HandleKind::kSamServer, {});
}

FaultStatus close_handle(Call& call) {
  const wire::NdrContextHandle handle = call.in.context_handle();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!call.handles.close(handle)) return FaultStatus::kContextMismatch;
  call.out.context_handle({});
  return call.finish(NtStatus::kSuccess);
}

FaultStatus lookup_domain(Call& call) {
  const auto handle = read_handle(call, HandleKind::kSamServer);
  const wire::NdrUnicodeHeader header = call.in.unicode_header();
  const std::string name = call.in.unicode_body(header);
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!handle) return FaultStatus::kContextMismatch;
  const ServerFacts facts = call.directory.identity.facts();
  std::optional<wire::Sid> sid;
  if (wire::equal_fold(name, facts.netbios_name)) sid = facts.account_domain_sid;
  if (wire::equal_fold(name, kBuiltinName)) sid = wire::sids::kBuiltin;
  call.out.pointer(sid.has_value());
  if (sid) call.out.sid(*sid);
  return sid ? call.finish(NtStatus::kSuccess) : call.finish(kNoSuchDomain);
}

FaultStatus enumerate_domains(Call& call) {
  const auto handle = read_handle(call, HandleKind::kSamServer);
  const uint32_t context = call.in.u32();
  call.in.u32();  // preferred maximum length
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!handle) return FaultStatus::kContextMismatch;
  const std::string own = call.directory.identity.facts().netbios_name;
  return finish_enumeration(call, context, {{0, own}, {1, std::string(kBuiltinName)}});
}

FaultStatus open_domain(Call& call) {
  const auto handle = read_handle(call, HandleKind::kSamServer);
  call.in.u32();
  const wire::Sid sid = call.in.sid();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!handle) return FaultStatus::kContextMismatch;
  if (sid != call.directory.identity.facts().account_domain_sid && sid != wire::sids::kBuiltin) {
    call.out.context_handle({});
    return call.finish(kNoSuchDomain);
  }
  return finish_open(call, HandleKind::kSamDomain, sid);
}

FaultStatus rid_to_sid(Call& call) {
  const auto handle = read_handle(call, HandleKind::kSamDomain);
  const uint32_t rid = call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!handle) return FaultStatus::kContextMismatch;
  call.out.pointer(true);
  call.out.sid(handle->sid.with_rid(rid));
  return call.finish(NtStatus::kSuccess);
}

}  // namespace braid::rpc::samr
