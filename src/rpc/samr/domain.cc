#include "rpc/samr/domain.h"

#include <vector>

#include "rpc/accounts.h"
#include "rpc/samr/rid_list.h"
#include "rpc/samr/server.h"
#include "rpc/samr/user.h"

namespace braid::rpc::samr {
namespace {

constexpr uint32_t kLookupMax = 1000;  // [MS-SAMR] 3.1.5.11.2, range of Count
// SIDs whose groups one call may ask for, as many as a token holds: [MS-SAMR] 2.2.7.5
// "SAMPR_PSID_ARRAY".
constexpr uint32_t kSidsMax = 1024;

std::vector<RidName> members_of(const std::vector<Account>& accounts, const wire::Sid& domain,
                                AccountType type) {
  std::vector<RidName> members;
  for (const Account& account : accounts) {
    if (account.type == type && account.sid.is_in(domain)) {
      members.push_back({account.sid.rid(), account.name});
    }
  }
  return members;
}

// The aliases of BUILTIN, which no directory needs to list.
std::vector<RidName> builtin_aliases(const Directory& directory) {
  std::vector<RidName> aliases;
  for (uint32_t rid = 544; rid <= 551; ++rid) {
    if (const auto found = find_account(directory, wire::sids::kBuiltin.with_rid(rid))) {
      aliases.push_back({rid, found->account.name});
    }
  }
  return aliases;
}

struct EnumerateRequest {
  std::optional<HandleEntry> handle;
  uint32_t context;
};

EnumerateRequest read_enumerate(Call& call) {
  EnumerateRequest request;
  request.handle = read_handle(call, HandleKind::kSamDomain);
  request.context = call.in.u32();
  return request;
}

NtStatus lookup_status(size_t mapped, size_t all) {
  if (mapped == all) return NtStatus::kSuccess;
  return mapped == 0 ? NtStatus::kNoneMapped : NtStatus::kSomeNotMapped;
}

// The count before a [size_is(1000), length_is(Count)] array.
void read_lookup_array(wire::NdrReader& in, uint32_t count) {
  in.expect(count <= kLookupMax);
  in.expect(in.u32() == kLookupMax);  // maximum
  in.expect(in.u32() == 0);           // offset
  in.expect(in.u32() == count);
}

}  // namespace

size_t builtin_alias_count(const Directory& directory) { return builtin_aliases(directory).size(); }

FaultStatus enumerate_groups(Call& call) {
  const EnumerateRequest request = read_enumerate(call);
  call.in.u32();  // preferred maximum length
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!request.handle) return FaultStatus::kContextMismatch;
  return finish_enumeration(
      call, request.context,
      members_of(call.directory.accounts.groups(), request.handle->sid, AccountType::kGroup));
}

FaultStatus enumerate_users(Call& call) {
  const EnumerateRequest request = read_enumerate(call);
  const uint32_t account_control = call.in.u32();
  call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!request.handle) return FaultStatus::kContextMismatch;
  // All of ours are normal accounts: a filter for others finds none.
  const bool wanted = account_control == 0 || (account_control & kNormalAccount) != 0;
  return finish_enumeration(
      call, request.context,
      wanted ? members_of(call.directory.accounts.users(), request.handle->sid, AccountType::kUser)
             : std::vector<RidName>());
}

FaultStatus enumerate_aliases(Call& call) {
  const EnumerateRequest request = read_enumerate(call);
  call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!request.handle) return FaultStatus::kContextMismatch;
  const wire::Sid& domain = request.handle->sid;
  return finish_enumeration(
      call, request.context,
      domain == wire::sids::kBuiltin
          ? builtin_aliases(call.directory)
          : members_of(call.directory.accounts.groups(), domain, AccountType::kAlias));
}

FaultStatus get_alias_membership(Call& call) {
  wire::NdrReader& in = call.in;
  const auto handle = read_handle(call, HandleKind::kSamDomain);
  const uint32_t count = in.u32();
  std::vector<wire::Sid> members;
  if (in.pointer()) {
    in.expect(in.conformance(kSidsMax, sizeof(uint32_t)) == count);
    for (uint32_t i = 0; i < count && in.ok(); ++i) in.expect(in.pointer());
    for (uint32_t i = 0; i < count && in.ok(); ++i) members.push_back(in.sid());
  } else {
    in.expect(count == 0);
  }
  if (!in.ok()) return FaultStatus::kBadStubData;
  if (!handle) return FaultStatus::kContextMismatch;
  std::vector<uint32_t> aliases;
  for (const wire::Sid& member : members) {
    for (const wire::Sid& group : call.directory.accounts.groups_of(member)) {
      const auto found = find_account(call.directory, group);
      if (group.is_in(handle->sid) && found && found->account.type == AccountType::kAlias) {
        aliases.push_back(group.rid());
      }
    }
  }
  write_ulong_array(call.out, aliases);
  return call.finish(NtStatus::kSuccess);
}

FaultStatus lookup_names(Call& call) {
  wire::NdrReader& in = call.in;
  const auto handle = read_handle(call, HandleKind::kSamDomain);
  const uint32_t count = in.u32();
  read_lookup_array(in, count);
  std::vector<wire::NdrUnicodeHeader> headers;
  for (uint32_t i = 0; i < count && in.ok(); ++i) headers.push_back(in.unicode_header());
  std::vector<std::string> names;
  for (const auto& header : headers) names.push_back(in.unicode_body(header));
  if (!in.ok()) return FaultStatus::kBadStubData;
  if (!handle) return FaultStatus::kContextMismatch;

  const auto domain = find_domain(call.directory, handle->sid);
  std::vector<uint32_t> rids, types;
  size_t mapped = 0;
  for (const std::string& name : names) {
    const auto found = find_account(call.directory, domain.value_or("") + "\\" + name);
    const bool here = !name.empty() && found && found->account.sid.is_in(handle->sid);
    rids.push_back(here ? found->account.sid.rid() : 0);
    types.push_back(static_cast<uint32_t>(here ? found->account.type : AccountType::kUnknown));
    if (here) ++mapped;
  }
  // Nothing mapped, nothing listed: clients take the arrays at their word.
  if (mapped == 0) rids.clear(), types.clear();
  write_ulong_array(call.out, rids);
  write_ulong_array(call.out, types);
  return call.finish(lookup_status(mapped, names.size()));
}

FaultStatus lookup_ids(Call& call) {
  wire::NdrReader& in = call.in;
  const auto handle = read_handle(call, HandleKind::kSamDomain);
  const uint32_t count = in.u32();
  read_lookup_array(in, count);
  std::vector<uint32_t> rids;
  for (uint32_t i = 0; i < count && in.ok(); ++i) rids.push_back(in.u32());
  if (!in.ok()) return FaultStatus::kBadStubData;
  if (!handle) return FaultStatus::kContextMismatch;

  std::vector<std::string> names;
  std::vector<uint32_t> types;
  size_t mapped = 0;
  for (uint32_t rid : rids) {
    const auto found = find_account(call.directory, handle->sid.with_rid(rid));
    names.push_back(found ? found->account.name : std::string());
    types.push_back(static_cast<uint32_t>(found ? found->account.type : AccountType::kUnknown));
    if (found) ++mapped;
  }
  if (mapped == 0) names.clear(), types.clear();
  wire::NdrWriter& out = call.out;
  const auto listed = static_cast<uint32_t>(names.size());
  out.u32(listed);
  out.pointer(listed > 0);
  if (listed > 0) {
    out.u32(listed);
    for (const std::string& name : names) out.unicode_header(name);
    for (const std::string& name : names) out.unicode_body(name);
  }
  write_ulong_array(out, types);
  return call.finish(lookup_status(mapped, rids.size()));
}

}  // namespace braid::rpc::samr
