#include "rpc/samr/domain_info.h"

#include <algorithm>
#include <string>

#include "rpc/accounts.h"
#include "rpc/samr/domain.h"
#include "rpc/samr/server.h"

namespace braid::rpc::samr {
namespace {

// [MS-SAMR] 2.2.3.16 "DOMAIN_INFORMATION_CLASS".
enum class DomainClass : uint16_t {
  kPassword = 1,
  kGeneral = 2,
  kLogoff = 3,
  kOem = 4,
  kName = 5,
  kReplication = 6,
  kServerRole = 7,
  kModified = 8,
  kState = 9,
  kGeneral2 = 11,
  kLockout = 12,
  kModified2 = 13,
};

constexpr bool is_domain_answered(uint16_t number) {
  return number >= 1 && number <= 13 && number != 10;
}

constexpr uint32_t kServerEnabled = 1;
constexpr uint32_t kRolePrimary = 3;  // of the own accounts: it is no domain controller
// Negative intervals; the lowest number stands for never.
constexpr uint64_t kNever = uint64_t{1} << 63;
constexpr uint64_t kHalfAnHour = ~(uint64_t{30} * 60 * kTicksPerSecond) + 1;
constexpr uint64_t kModifiedCount = 1;  // nobody replicates it

// OLD_LARGE_INTEGER: two halves, so aligned to 4 only.
void old_large_integer(wire::NdrWriter& out, uint64_t value) {
  out.u32(static_cast<uint32_t>(value));
  out.u32(static_cast<uint32_t>(value >> 32));
}

struct Counts {
  uint32_t users = 0;
  uint32_t groups = 0;
  uint32_t aliases = 0;
};

Counts counts_of(const Directory& directory, const wire::Sid& domain) {
  if (domain == wire::sids::kBuiltin) {
    return {.aliases = static_cast<uint32_t>(builtin_alias_count(directory))};
  }
  const auto is_here = [&](const Account& account) { return account.sid.is_in(domain); };
  return {
      .users = static_cast<uint32_t>(std::ranges::count_if(directory.accounts.users(), is_here)),
      .groups = static_cast<uint32_t>(std::ranges::count_if(directory.accounts.groups(), is_here))};
}

// [MS-SAMR] 2.2.3.10 "SAMPR_DOMAIN_GENERAL_INFORMATION": all but its texts, which follow the whole
// structure.
void write_general(wire::NdrWriter& out, const std::string& name, const Counts& counts) {
  old_large_integer(out, kNever);  // ForceLogoff
  out.unicode_header("");          // OemInformation
  out.unicode_header(name);
  out.unicode_header("");  // ReplicaSourceNodeName
  old_large_integer(out, kModifiedCount);
  out.u32(kServerEnabled);
  out.u32(kRolePrimary);
  out.u8(1);  // UasCompatibilityRequired
  out.u32(counts.users);
  out.u32(counts.groups);
  out.u32(counts.aliases);
}

void write_general_texts(wire::NdrWriter& out, const std::string& name) {
  out.unicode_body("");
  out.unicode_body(name);
  out.unicode_body("");
}

// [MS-SAMR] 2.2.3.15 "SAMPR_DOMAIN_LOCKOUT_INFORMATION": no account is ever locked.
void write_lockout(wire::NdrWriter& out) {
  out.u64(kHalfAnHour);
  out.u64(kHalfAnHour);
  out.u16(0);
}

void write_text(wire::NdrWriter& out, const std::string& text) {
  out.unicode_header(text);
  out.unicode_body(text);
}

void write_info(wire::NdrWriter& out, DomainClass info_class, const std::string& name,
                const Counts& counts) {
  switch (info_class) {
    case DomainClass::kPassword:
      // [MS-SAMR] 2.2.3.5 "DOMAIN_PASSWORD_INFORMATION": braid asks nothing of a password.
      out.u16(0);  // MinPasswordLength
      out.u16(0);  // PasswordHistoryLength
      out.u32(0);  // PasswordProperties
      old_large_integer(out, kNever);
      old_large_integer(out, 0);
      break;
    case DomainClass::kGeneral:
      write_general(out, name, counts);
      write_general_texts(out, name);
      break;
    case DomainClass::kLogoff:
      old_large_integer(out, kNever);
      break;
    case DomainClass::kOem:
    case DomainClass::kReplication:
      write_text(out, "");
      break;
    case DomainClass::kName:
      write_text(out, name);
      break;
    case DomainClass::kServerRole:
      out.u32(kRolePrimary);
      break;
    case DomainClass::kModified:
      old_large_integer(out, kModifiedCount);
      old_large_integer(out, 0);  // CreationTime: not kept
      break;
    case DomainClass::kState:
      out.u32(kServerEnabled);
      break;
    case DomainClass::kGeneral2:
      write_general(out, name, counts);
      write_lockout(out);
      write_general_texts(out, name);
      break;
    case DomainClass::kLockout:
      write_lockout(out);
      break;
    case DomainClass::kModified2:
      old_large_integer(out, kModifiedCount);
      old_large_integer(out, 0);
      old_large_integer(out, 0);  // at the last promotion: there was none
      break;
  }
}

}  // namespace

FaultStatus query_information_domain(Call& call) {
  const auto handle = read_handle(call, HandleKind::kSamDomain);
  const uint16_t number = call.in.u16();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!handle) return FaultStatus::kContextMismatch;
  wire::NdrWriter& out = call.out;
  out.pointer(is_domain_answered(number));
  if (!is_domain_answered(number)) return call.finish(NtStatus::kInvalidInfoClass);
  const auto info_class = static_cast<DomainClass>(number);
  const bool has_large =
      info_class == DomainClass::kGeneral2 || info_class == DomainClass::kLockout;
  out.u16(number);
  out.align(has_large ? 8 : 4);
  const std::string name = find_domain(call.directory, handle->sid).value_or("");
  write_info(out, info_class, name, counts_of(call.directory, handle->sid));
  return call.finish(NtStatus::kSuccess);
}

}  // namespace braid::rpc::samr
