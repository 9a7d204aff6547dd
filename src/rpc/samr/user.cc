#include "rpc/samr/user.h"

#include <array>
#include <vector>

#include "rpc/accounts.h"
#include "rpc/samr/server.h"

namespace braid::rpc::samr {
namespace {

// [MS-SAMR] 2.2.6.28 "USER_INFORMATION_CLASS".
enum class UserClass : uint16_t {
  kGeneral = 1,
  kName = 6,
  kAccountName = 7,
  kFullName = 8,
  kControl = 16,
  kAll = 21,
};

constexpr uint32_t kDomainUsersRid = 513;
// [MS-SAMR] 2.2.1.12 "USER_ACCOUNT Codes".
constexpr uint32_t kAccountDisabled = 0x00000001;
constexpr uint64_t kNeverExpires = 0x7fffffffffffffff;
// [MS-SAMR] 2.2.1.8 "USER_ALL Values": what of SAMPR_USER_ALL_INFORMATION means something here:
// names, comment, RIDs, account control.
constexpr uint32_t kWhichFields =
    0x00000001 | 0x00000002 | 0x00000004 | 0x00000008 | 0x00000010 | 0x00100000;

constexpr bool is_user_answered(uint16_t info_class) {
  switch (static_cast<UserClass>(info_class)) {
    case UserClass::kGeneral:
    case UserClass::kName:
    case UserClass::kAccountName:
    case UserClass::kFullName:
    case UserClass::kControl:
    case UserClass::kAll:
      return true;
  }
  return false;
}

template <size_t kCount>
void write_names(wire::NdrWriter& out, const std::array<std::string_view, kCount>& names) {
  for (std::string_view name : names) out.unicode_header(name);
}

template <size_t kCount>
void write_bodies(wire::NdrWriter& out, const std::array<std::string_view, kCount>& names) {
  for (std::string_view name : names) out.unicode_body(name);
}

// OLD_LARGE_INTEGER: two halves, so aligned to 4 only.
void write_time(wire::NdrWriter& out, uint64_t time) {
  out.u32(static_cast<uint32_t>(time));
  out.u32(static_cast<uint32_t>(time >> 32));
}

// [MS-SAMR] 2.2.6.6 "SAMPR_USER_ALL_INFORMATION". Never a password or its hash.
void write_all(wire::NdrWriter& out, const Account& user) {
  for (uint64_t time :
       {uint64_t{0}, uint64_t{0}, uint64_t{0}, kNeverExpires, uint64_t{0}, kNeverExpires}) {
    write_time(out, time);
  }
  // User, full name, home, drive, script, profile, comment, workstations, user comment, parameters.
  const std::array<std::string_view, 10> names = {user.name, user.full_name,   "", "", "",
                                                  "",        user.description, "", "", ""};
  write_names(out, names);
  for (int hash = 0; hash < 2; ++hash) {
    out.u16(0);
    out.u16(0);
    out.pointer(false);
  }
  const std::array<std::string_view, 1> private_data = {""};
  write_names(out, private_data);
  out.u32(0);  // security descriptor
  out.pointer(false);
  out.u32(user.sid.rid());
  out.u32(kDomainUsersRid);
  out.u32(account_control(user));
  out.u32(kWhichFields);
  out.u16(0);  // logon hours: none set
  out.align(4);
  out.pointer(false);
  for (int count = 0; count < 4; ++count) out.u16(0);  // bad passwords, logons, country, code page
  for (int flag = 0; flag < 4; ++flag) out.u8(0);
  write_bodies(out, names);
  write_bodies(out, private_data);
}

void write_info(wire::NdrWriter& out, UserClass info_class, const Account& user) {
  switch (info_class) {
    case UserClass::kGeneral: {
      out.unicode_header(user.name);
      out.unicode_header(user.full_name);
      out.u32(kDomainUsersRid);
      out.unicode_header(user.description);
      out.unicode_header("");
      write_bodies<4>(out, {user.name, user.full_name, user.description, ""});
      break;
    }
    case UserClass::kName:
      write_names<2>(out, {user.name, user.full_name});
      write_bodies<2>(out, {user.name, user.full_name});
      break;
    case UserClass::kAccountName:
      write_names<1>(out, {user.name});
      write_bodies<1>(out, {user.name});
      break;
    case UserClass::kFullName:
      write_names<1>(out, {user.full_name});
      write_bodies<1>(out, {user.full_name});
      break;
    case UserClass::kControl:
      out.u32(account_control(user));
      break;
    case UserClass::kAll:
      write_all(out, user);
      break;
  }
}

}  // namespace

uint32_t account_control(const Account& user) {
  return kNormalAccount | (user.disabled ? kAccountDisabled : 0);
}

FaultStatus open_user(Call& call) {
  const auto handle = read_handle(call, HandleKind::kSamDomain);
  call.in.u32();
  const uint32_t rid = call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!handle) return FaultStatus::kContextMismatch;
  const wire::Sid sid = handle->sid.with_rid(rid);
  const auto found = find_account(call.directory, sid);
  if (!found || found->account.type != AccountType::kUser) {
    call.out.context_handle({});
    return call.finish(NtStatus::kNoSuchUser);
  }
  return finish_open(call, HandleKind::kSamUser, sid);
}

FaultStatus query_information_user(Call& call) {
  const auto handle = read_handle(call, HandleKind::kSamUser);
  const uint16_t info_class = call.in.u16();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!handle) return FaultStatus::kContextMismatch;
  const auto found = find_account(call.directory, handle->sid);
  if (!found || !is_user_answered(info_class)) {
    call.out.pointer(false);
    return call.finish(found ? NtStatus::kInvalidInfoClass : NtStatus::kNoSuchUser);
  }
  call.out.pointer(true);
  call.out.u16(info_class);
  call.out.align(4);
  write_info(call.out, static_cast<UserClass>(info_class), found->account);
  return call.finish(NtStatus::kSuccess);
}

FaultStatus get_groups_for_user(Call& call) {
  const auto handle = read_handle(call, HandleKind::kSamUser);
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!handle) return FaultStatus::kContextMismatch;
  const wire::Sid domain = handle->sid.domain();
  std::vector<uint32_t> rids = {kDomainUsersRid};
  for (const wire::Sid& group : call.directory.accounts.groups_of(handle->sid)) {
    if (group.is_in(domain) && group.rid() != kDomainUsersRid) rids.push_back(group.rid());
  }
  wire::NdrWriter& out = call.out;
  out.pointer(true);
  out.u32(static_cast<uint32_t>(rids.size()));
  out.pointer(true);
  out.u32(static_cast<uint32_t>(rids.size()));
  for (uint32_t rid : rids) {
    out.u32(rid);
    out.u32(kGroupAttributes);
  }
  return call.finish(NtStatus::kSuccess);
}

}  // namespace braid::rpc::samr
