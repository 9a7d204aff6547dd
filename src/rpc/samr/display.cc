#include "rpc/samr/display.h"

#include <algorithm>
#include <string>
#include <vector>

#include "rpc/samr/rid_list.h"
#include "rpc/samr/server.h"
#include "rpc/samr/user.h"
#include "wire/fold.h"
#include "wire/utf16.h"

namespace braid::rpc::samr {
namespace {

// [MS-SAMR] 2.2.8.12 "DOMAIN_DISPLAY_INFORMATION".
enum class DisplayClass : uint16_t {
  kUser = 1,
  kMachine = 2,
  kGroup = 3,
  kOemUser = 4,
  kOemGroup = 5,
};

bool is_display_answered(uint16_t info_class) { return info_class >= 1 && info_class <= 5; }
bool is_oem(DisplayClass info_class) { return info_class >= DisplayClass::kOemUser; }
bool is_of_groups(DisplayClass info_class) {
  return info_class == DisplayClass::kGroup || info_class == DisplayClass::kOemGroup;
}

// By name, as the section wants it.
std::vector<Account> accounts_of(const Directory& directory, const wire::Sid& domain,
                                 DisplayClass info_class) {
  std::vector<Account> all;
  if (info_class == DisplayClass::kMachine) return all;
  all = is_of_groups(info_class) ? directory.accounts.groups() : directory.accounts.users();
  std::erase_if(all, [&](const Account& account) { return !account.sid.is_in(domain); });
  std::ranges::sort(all, {}, [](const Account& account) { return wire::fold(account.name); });
  return all;
}

// What is not ASCII has no one code page.
std::string oem_name(std::string_view utf8) {
  std::string name;
  while (!utf8.empty()) {
    const wire::CodePoint point = wire::first_code_point(utf8);
    name.push_back(point.valid && point.value < 0x80 ? static_cast<char>(point.value) : '?');
    utf8.remove_prefix(point.size);
  }
  return name;
}

// What an entry takes: its strings, and some 40 bytes.
uint32_t size_of(const Account& account, DisplayClass info_class) {
  if (is_oem(info_class)) return static_cast<uint32_t>(24 + account.name.size());
  return static_cast<uint32_t>(40 + wire::utf16le_size(account.name) +
                               wire::utf16le_size(account.description) +
                               wire::utf16le_size(account.full_name));
}

// [MS-SAMR] 2.2.8.2 "SAMPR_DOMAIN_DISPLAY_USER" to 2.2.8.6 "SAMPR_DOMAIN_DISPLAY_OEM_GROUP".
void write_fixed(wire::NdrWriter& out, const Account& account, uint32_t index,
                 DisplayClass info_class) {
  out.u32(index);
  if (is_oem(info_class)) {
    const auto size = static_cast<uint16_t>(oem_name(account.name).size());
    out.u16(size);
    out.u16(size);
    out.pointer(true);
    return;
  }
  out.u32(account.sid.rid());
  out.u32(is_of_groups(info_class) ? kGroupAttributes : account_control(account));
  out.unicode_header(account.name);
  out.unicode_header(account.description);
  if (!is_of_groups(info_class)) out.unicode_header(account.full_name);
}

void write_deferred(wire::NdrWriter& out, const Account& account, DisplayClass info_class) {
  if (is_oem(info_class)) {
    const std::string name = oem_name(account.name);
    const auto size = static_cast<uint32_t>(name.size());
    for (const uint32_t count : {size, 0u, size}) out.u32(count);
    out.bytes(as_bytes(name));
    return;
  }
  out.unicode_body(account.name);
  out.unicode_body(account.description);
  if (!is_of_groups(info_class)) out.unicode_body(account.full_name);
}

}  // namespace

FaultStatus query_display_information(Call& call) {
  const auto handle = read_handle(call, HandleKind::kSamDomain);
  const uint16_t number = call.in.u16();
  const uint32_t index = call.in.u32();
  const uint32_t entry_count = call.in.u32();
  const uint32_t preferred_maximum_length = call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!handle) return FaultStatus::kContextMismatch;
  wire::NdrWriter& out = call.out;
  const auto info_class = static_cast<DisplayClass>(number);
  std::vector<Account> all;
  if (is_display_answered(number)) all = accounts_of(call.directory, handle->sid, info_class);

  const size_t first = std::min<size_t>(index, all.size());
  const size_t most = std::min<size_t>(entry_count, kEntriesMax);
  size_t last = first;
  uint32_t returned = 0;
  uint32_t available = 0;
  for (size_t at = 0; at < all.size(); ++at) {
    const uint32_t size = size_of(all[at], info_class);
    available += size;
    if (at != last || last - first >= most) continue;
    // One at least, or a client that asks for too little would ask forever.
    if (last > first && returned + uint64_t{size} > preferred_maximum_length) continue;
    returned += size;
    ++last;
  }
  out.u32(is_oem(info_class) ? 0 : available);
  out.u32(returned);
  out.u16(number);
  out.align(4);
  const auto count = static_cast<uint32_t>(last - first);
  out.u32(count);
  out.pointer(count > 0);
  if (count > 0) {
    out.u32(count);
    for (size_t i = first; i < last; ++i) {
      write_fixed(out, all[i], static_cast<uint32_t>(i + 1), info_class);
    }
    for (size_t i = first; i < last; ++i) write_deferred(out, all[i], info_class);
  }
  if (!is_display_answered(number)) return call.finish(NtStatus::kInvalidInfoClass);
  return last < all.size() ? call.finish(kMoreEntries) : call.finish(NtStatus::kSuccess);
}

}  // namespace braid::rpc::samr
