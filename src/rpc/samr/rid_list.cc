#include "rpc/samr/rid_list.h"

#include <algorithm>

namespace braid::rpc::samr {
FaultStatus finish_enumeration(Call& call, uint32_t context, const std::vector<RidName>& all) {
  const size_t first = std::min<size_t>(context, all.size());
  const size_t last = std::min(first + kEntriesMax, all.size());
  const auto count = static_cast<uint32_t>(last - first);
  wire::NdrWriter& out = call.out;
  out.u32(static_cast<uint32_t>(last));
  out.pointer(true);
  out.u32(count);
  out.pointer(count > 0);
  if (count > 0) {
    out.u32(count);
    for (size_t i = first; i < last; ++i) {
      out.u32(all[i].rid);
      out.unicode_header(all[i].name);
    }
    for (size_t i = first; i < last; ++i) out.unicode_body(all[i].name);
  }
  out.u32(count);
  return last < all.size() ? call.finish(kMoreEntries) : call.finish(NtStatus::kSuccess);
}

void write_ulong_array(wire::NdrWriter& out, const std::vector<uint32_t>& values) {
  const auto count = static_cast<uint32_t>(values.size());
  out.u32(count);
  out.pointer(count > 0);
  if (count == 0) return;
  out.u32(count);
  for (uint32_t value : values) out.u32(value);
}

}  // namespace braid::rpc::samr
