#include <fmt/format.h>

#include <string>
#include <vector>

#include "rpc/lsarpc/lookup.h"
#include "rpc/lsarpc/policy.h"
#include "rpc/lsarpc/referenced_domains.h"

namespace braid::rpc::lsarpc {
namespace {

constexpr uint32_t kSidsMax = 20480;  // [MS-LSAT] 2.2.18 "LSAPR_SID_ENUM_BUFFER", range of Entries
constexpr uint16_t kLevelWksta = 1;   // [MS-LSAT] 2.2.16 "LSAP_LOOKUP_LEVEL"

enum class SidsForm { kNames, kNamesEx };

struct TranslatedName {
  AccountType type = AccountType::kUnknown;
  std::string name;
  uint32_t domain_index = ReferencedDomains::kNone;
};

struct SidsRequest {
  std::vector<wire::Sid> sids;
  uint16_t level = 0;
};

SidsRequest read_sids_request(wire::NdrReader& in, SidsForm form) {
  SidsRequest request;
  const uint32_t count = in.u32();
  in.expect(count <= kSidsMax);
  if (in.pointer()) {
    in.expect(in.conformance(kSidsMax, sizeof(uint32_t)) == count);
    for (uint32_t i = 0; i < count && in.ok(); ++i) in.expect(in.pointer());
    for (uint32_t i = 0; i < count && in.ok(); ++i) request.sids.push_back(in.sid());
  } else {
    in.expect(count == 0);
  }
  in.u32();  // TranslatedNames is to be filled: no entries come in
  if (in.pointer()) in.expect(in.u32() == 0);
  request.level = in.u16();
  in.u32();  // MappedCount
  if (form == SidsForm::kNamesEx) {
    in.u32();  // LookupOptions
    in.u32();  // ClientRevision
  }
  return request;
}

// Unknown accounts have a name only for callers that ask as a workstation does: the section says
// so.
TranslatedName translate(const Directory& directory, const wire::Sid& sid, uint16_t level,
                         ReferencedDomains& domains) {
  TranslatedName t;
  if (const auto found = find_account(directory, sid)) {
    t.type = found->account.type;
    t.name = found->account.name;
    t.domain_index = domains.index_of(found->account.domain, found->domain_sid);
  } else if (const auto domain = find_domain(directory, sid.domain())) {
    // A domain we know without the account: the RID stands for the name.
    if (level == kLevelWksta) t.name = fmt::format("{:08X}", sid.rid());
    t.domain_index = domains.index_of(*domain, sid.domain());
  } else if (level == kLevelWksta) {
    t.name = sid.to_string();
  }
  return t;
}

// [MS-LSAT] 2.2.20 "LSAPR_TRANSLATED_NAMES" and 2.2.22 "LSAPR_TRANSLATED_NAMES_EX".
void write_translated(wire::NdrWriter& out, const std::vector<TranslatedName>& all, SidsForm form) {
  const auto count = static_cast<uint32_t>(all.size());
  out.u32(count);
  out.pointer(count > 0);
  if (count == 0) return;
  out.u32(count);
  for (const TranslatedName& t : all) {
    out.align(4);
    out.u16(static_cast<uint16_t>(t.type));
    out.unicode_header(t.name);
    out.u32(t.domain_index);
    if (form == SidsForm::kNamesEx) out.u32(0);  // flags
  }
  for (const TranslatedName& t : all) out.unicode_body(t.name);
}

FaultStatus lookup(Call& call, SidsForm form) {
  const bool known = read_policy_handle(call);
  const SidsRequest request = read_sids_request(call.in, form);
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!known) return FaultStatus::kContextMismatch;
  const bool valid = request.level >= 1 && request.level <= kLevelMax;

  ReferencedDomains domains;
  std::vector<TranslatedName> translated;
  uint32_t mapped = 0;
  for (const wire::Sid& sid : request.sids) {
    if (!valid) break;
    translated.push_back(translate(call.directory, sid, request.level, domains));
    if (translated.back().type != AccountType::kUnknown) ++mapped;
  }
  domains.encode(call.out);
  write_translated(call.out, translated, form);
  call.out.u32(mapped);
  if (!valid) return call.finish(NtStatus::kInvalidParameter);
  if (mapped == request.sids.size()) return call.finish(NtStatus::kSuccess);
  return call.finish(mapped == 0 ? NtStatus::kNoneMapped : NtStatus::kSomeNotMapped);
}

}  // namespace

FaultStatus lookup_sids(Call& call) { return lookup(call, SidsForm::kNames); }
FaultStatus lookup_sids2(Call& call) { return lookup(call, SidsForm::kNamesEx); }

FaultStatus secure_channel_only(Call&) { return FaultStatus::kAccessDenied; }

}  // namespace braid::rpc::lsarpc
