#include "rpc/interface.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/ip_address.h"
#include "rpc/epm/endpoint.h"
#include "rpc/epm/tower.h"

namespace braid::rpc {
namespace epm {
namespace {

constexpr uint32_t kNotRegistered = 0x16C9A0D6;
// [MS-RPCE] 2.2.1.2.4 "ept_lookup Method" and 2.2.1.2.5 "ept_map Method".
constexpr uint32_t kEntriesMax = 500;
constexpr size_t kAnnotationMax = 63;  // ept_max_annotation_size, without the NUL

enum class InquiryType : uint32_t { kAll = 0, kInterface = 1, kObject = 2, kBoth = 3 };
enum class VersionOption : uint32_t {
  kAll = 1,
  kCompatible = 2,
  kExact = 3,
  kMajorOnly = 4,
  kUpTo = 5,
};

uint32_t major_of(const SyntaxId& syntax) { return syntax.version & 0xffff; }
uint32_t minor_of(const SyntaxId& syntax) { return syntax.version >> 16; }

bool is_version(const SyntaxId& served, const SyntaxId& wanted, VersionOption option) {
  const bool same_major = major_of(served) == major_of(wanted);
  switch (option) {
    case VersionOption::kAll:
      return true;
    case VersionOption::kCompatible:
      return same_major && minor_of(served) >= minor_of(wanted);
    case VersionOption::kExact:
      return served.version == wanted.version;
    case VersionOption::kMajorOnly:
      return same_major;
    case VersionOption::kUpTo:
      return major_of(served) < major_of(wanted) ||
             (same_major && minor_of(served) <= minor_of(wanted));
  }
  return false;
}

Tower tower_of(const Call& call, const Endpoint& endpoint) {
  Tower tower{.interface = endpoint.interface, .port = endpoint.port};
  const auto address = IpAddress::parse(call.server_address);
  if (address && address->is_v4()) std::ranges::copy(address->bytes(), tower.address.begin());
  return tower;
}

void put_twr(wire::NdrWriter& out, const Bytes& octets) {
  out.u32(static_cast<uint32_t>(octets.size()));
  out.u32(static_cast<uint32_t>(octets.size()));
  out.bytes(octets);
  out.align(4);
}

// Of every endpoint there is less than an answer has room for, so a search is over with its first
// answer, and no handle leads to more.
bool is_first_call(Call& call) { return call.in.context_handle().is_null(); }

// [MS-RPCE] 2.2.1.2.4 "ept_lookup Method" (opnum 2).
FaultStatus lookup(Call& call) {
  const auto inquiry = static_cast<InquiryType>(call.in.u32());
  std::optional<Guid> object;
  if (call.in.pointer()) object = call.in.guid();
  SyntaxId wanted;
  const bool names_interface = call.in.pointer();
  if (names_interface) {
    wanted.uuid = call.in.guid();
    const uint32_t major = call.in.u16();
    wanted.version = major | uint32_t{call.in.u16()} << 16;
  }
  const auto option = static_cast<VersionOption>(call.in.u32());
  const bool is_first = is_first_call(call);
  const uint32_t entries_max = call.in.u32();
  if (!call.in.ok() || entries_max > kEntriesMax || inquiry > InquiryType::kBoth) {
    return FaultStatus::kBadStubData;
  }
  if (!is_first) return FaultStatus::kContextMismatch;

  const bool by_interface = inquiry == InquiryType::kInterface || inquiry == InquiryType::kBoth;
  // No endpoint has an object.
  const bool by_object = inquiry == InquiryType::kObject || inquiry == InquiryType::kBoth;
  std::vector<const Endpoint*> found;
  for (const Endpoint& endpoint : *call.endpoints) {
    if (found.size() == entries_max) break;
    if (by_object && object && *object != Guid{}) continue;
    if (by_interface && names_interface &&
        (endpoint.interface.uuid != wanted.uuid ||
         !is_version(endpoint.interface, wanted, option))) {
      continue;
    }
    found.push_back(&endpoint);
  }
  const auto count = static_cast<uint32_t>(found.size());
  call.out.context_handle({});
  call.out.u32(count);
  call.out.u32(entries_max);
  call.out.u32(0);
  call.out.u32(count);
  for (const Endpoint* endpoint : found) {
    const std::string_view text = std::string_view(endpoint->annotation).substr(0, kAnnotationMax);
    call.out.align(4);
    call.out.guid({});
    call.out.pointer(true);
    call.out.u32(0);
    call.out.u32(static_cast<uint32_t>(text.size()) + 1);
    call.out.bytes(as_bytes(text));
    call.out.u8(0);
  }
  for (const Endpoint* endpoint : found) put_twr(call.out, tower_of(call, *endpoint).encode());
  return call.finish(found.empty() ? kNotRegistered : 0);
}

// [MS-RPCE] 2.2.1.2.5 "ept_map Method" (opnum 3).
FaultStatus map(Call& call) {
  if (call.in.pointer()) (void)call.in.guid();
  std::optional<Result<Tower>> wanted;
  if (call.in.pointer()) {
    const uint32_t size = call.in.conformance(Tower::kSizeMax, 1);
    call.in.expect(call.in.u32() == size);
    wanted = Tower::decode(call.in.bytes(size));
  }
  const bool is_first = is_first_call(call);
  const uint32_t towers_max = call.in.u32();
  if (!call.in.ok() || towers_max > kEntriesMax) return FaultStatus::kBadStubData;
  if (!is_first) return FaultStatus::kContextMismatch;

  std::vector<Bytes> found;
  for (const Endpoint& endpoint : *call.endpoints) {
    if (!wanted || !*wanted || found.size() == towers_max) break;
    const Tower& tower = **wanted;
    if (tower.interface.uuid != endpoint.interface.uuid || tower.transfer_syntax != kNdrSyntax ||
        !is_version(endpoint.interface, tower.interface, VersionOption::kCompatible)) {
      continue;
    }
    found.push_back(tower_of(call, endpoint).encode());
  }
  const auto count = static_cast<uint32_t>(found.size());
  call.out.context_handle({});
  call.out.u32(count);
  call.out.u32(towers_max);
  call.out.u32(0);
  call.out.u32(count);
  for (size_t i = 0; i < found.size(); ++i) call.out.pointer(true);
  for (const Bytes& octets : found) put_twr(call.out, octets);
  return call.finish(found.empty() ? kNotRegistered : 0);
}

// [MS-RPCE] 2.2.1.2.8 "ept_lookup_handle_free Method" (opnum 4).
FaultStatus free_handle(Call& call) {
  const bool is_null = is_first_call(call);
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (!is_null) return FaultStatus::kContextMismatch;
  call.out.context_handle({});
  return call.finish(uint32_t{0});
}

// ept_insert, ept_delete, ept_inq_object and ept_mgmt_delete are for who is on the machine, or are
// no more: [MS-RPCE] 2.2.1.2.
constexpr Operation kOperations[] = {{2, lookup}, {3, map}, {4, free_handle}};

// e1af8308-5d1f-11c9-91a4-08002b14a0fa version 3.0: [C706] appendix O.
constexpr Interface kInterface{"epmapper",
                               {{{0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08,
                                  0x00, 0x2b, 0x14, 0xa0, 0xfa}},
                                3},
                               kOperations,
                               true};

}  // namespace
}  // namespace epm

const Interface& epm_interface() { return epm::kInterface; }

}  // namespace braid::rpc
