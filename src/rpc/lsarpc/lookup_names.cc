#include <string>
#include <vector>

#include "rpc/lsarpc/lookup.h"
#include "rpc/lsarpc/policy.h"
#include "rpc/lsarpc/referenced_domains.h"

namespace braid::rpc::lsarpc {
namespace {

constexpr uint32_t kNamesMax = 1000;  // [MS-LSAT] 3.1.4.8, range of Count

enum class NamesForm { kSids, kSidsEx, kSidsEx2 };  // TranslatedSids of call 1, 2 and 3

struct TranslatedSid {
  std::optional<FoundAccount> found;
  uint32_t domain_index = ReferencedDomains::kNone;
};

struct NamesRequest {
  std::vector<std::string> names;
  uint16_t level = 0;
};

NamesRequest read_names_request(wire::NdrReader& in, NamesForm form) {
  NamesRequest request;
  const uint32_t count = in.u32();
  in.expect(count <= kNamesMax);
  in.expect(in.conformance(kNamesMax, 8) == count);
  std::vector<wire::NdrUnicodeHeader> headers;
  for (uint32_t i = 0; i < count && in.ok(); ++i) headers.push_back(in.unicode_header());
  for (const auto& header : headers) request.names.push_back(in.unicode_body(header));
  in.u32();  // TranslatedSids is to be filled: no entries come in
  if (in.pointer()) in.expect(in.u32() == 0);
  request.level = in.u16();
  in.u32();  // MappedCount
  if (form != NamesForm::kSids) {
    in.u32();  // LookupOptions
    in.u32();  // ClientRevision
  }
  return request;
}

// [MS-LSAT] 2.2.14 "LSA_TRANSLATED_SID", 2.2.23 "LSAPR_TRANSLATED_SID_EX" and
// 2.2.25 "LSAPR_TRANSLATED_SID_EX2".
void write_translated(wire::NdrWriter& out, const std::vector<TranslatedSid>& all, NamesForm form) {
  const auto count = static_cast<uint32_t>(all.size());
  out.u32(count);
  out.pointer(count > 0);
  if (count == 0) return;
  out.u32(count);
  for (const TranslatedSid& t : all) {
    const AccountType type = t.found ? t.found->account.type : AccountType::kUnknown;
    out.align(4);
    out.u16(static_cast<uint16_t>(type));
    if (form == NamesForm::kSidsEx2) {
      out.pointer(t.found.has_value());
    } else {
      // A domain has no RID in itself.
      const bool has_rid = t.found && type != AccountType::kDomain;
      out.u32(has_rid ? t.found->account.sid.rid() : type == AccountType::kDomain ? 0xffffffff : 0);
    }
    out.u32(t.domain_index);
    if (form != NamesForm::kSids) out.u32(0);  // flags
  }
  if (form != NamesForm::kSidsEx2) return;
  for (const TranslatedSid& t : all) {
    if (t.found) out.sid(t.found->account.sid);
  }
}

FaultStatus lookup(Call& call, NamesForm form) {
  const bool known = read_policy_handle(call);
  const NamesRequest request = read_names_request(call.in, form);
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!known) return FaultStatus::kContextMismatch;
  const bool valid = request.level >= 1 && request.level <= kLevelMax;

  ReferencedDomains domains;
  std::vector<TranslatedSid> translated;
  uint32_t mapped = 0;
  for (const std::string& name : request.names) {
    if (!valid) break;
    TranslatedSid t;
    t.found = find_account(call.directory, name);
    if (t.found) {
      t.domain_index = domains.index_of(t.found->account.domain, t.found->domain_sid);
      ++mapped;
    } else if (const auto domain = find_domain_of(call.directory, name)) {
      t.domain_index = domains.index_of(domain->name, domain->sid);
    }
    translated.push_back(std::move(t));
  }
  domains.encode(call.out);
  write_translated(call.out, translated, form);
  call.out.u32(mapped);
  if (!valid) return call.finish(NtStatus::kInvalidParameter);
  if (mapped == request.names.size()) return call.finish(NtStatus::kSuccess);
  return call.finish(mapped == 0 ? NtStatus::kNoneMapped : NtStatus::kSomeNotMapped);
}

}  // namespace

FaultStatus lookup_names(Call& call) { return lookup(call, NamesForm::kSids); }
FaultStatus lookup_names2(Call& call) { return lookup(call, NamesForm::kSidsEx); }
FaultStatus lookup_names3(Call& call) { return lookup(call, NamesForm::kSidsEx2); }

}  // namespace braid::rpc::lsarpc
