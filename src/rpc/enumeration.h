// The shape that all Netr...Enum calls share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "rpc/fault_status.h"
#include "rpc/interface.h"

namespace braid::rpc {

// The [in] half: an InfoStruct whose container is there to be filled, the most bytes wanted, and
// where to go on. [MS-SRVS] 2.2.4.38 "SHARE_ENUM_STRUCT" and 3.1.4.8 "NetrShareEnum (Opnum 15)".
struct EnumRequest {
  // Of one answer, whatever was asked for: the rest is asked for by its resume handle.
  static constexpr uint32_t kBytesMax = 1u << 20;
  static constexpr uint32_t kNoLimit = 0xffffffff;  // [MS-SRVS] 2.2.2.2 "MAX_PREFERRED_LENGTH"

  uint32_t level = 0;
  uint32_t preferred_maximum_length = kNoLimit;
  bool has_resume_handle = false;
  uint32_t resume_handle = 0;

  // Fails the call's reader if a client fills the container, which none has reason to.
  static EnumRequest decode(wire::NdrReader& in);
};

// The [out] half without rows, for a call that fails with `return_value`.
FaultStatus finish_enum_with_error(Call& call, const EnumRequest& request, uint32_t return_value);

// The [out] half. `Row` has
//   size_t size() const          roughly what it adds to the answer
//   void fixed(NdrWriter&) const and void deferred(NdrWriter&) const
template <class Row>
FaultStatus finish_enum(Call& call, const EnumRequest& request, const std::vector<Row>& rows) {
  const size_t first = request.has_resume_handle ? request.resume_handle : 0;
  size_t last = first;
  uint64_t bytes = 0;
  const uint32_t bytes_max = std::min(request.preferred_maximum_length, EnumRequest::kBytesMax);
  while (last < rows.size()) {
    bytes += rows[last].size();
    // One row at least, or a client that asks for too little would ask forever.
    if (bytes > bytes_max && last > first) break;
    ++last;
  }
  const uint32_t count = last > first ? static_cast<uint32_t>(last - first) : 0;
  wire::NdrWriter& out = call.out;
  out.u32(request.level);
  out.u32(request.level);
  out.pointer(true);
  out.u32(count);
  out.pointer(count > 0);
  if (count > 0) {
    out.u32(count);
    for (size_t i = first; i < last; ++i) rows[i].fixed(out);
    for (size_t i = first; i < last; ++i) rows[i].deferred(out);
  }
  const bool more = last < rows.size();
  out.u32(first < rows.size() ? static_cast<uint32_t>(rows.size() - first) : 0);
  out.pointer(request.has_resume_handle);
  if (request.has_resume_handle) out.u32(more ? static_cast<uint32_t>(last) : 0);
  return call.finish(more ? win32::kMoreData : win32::kSuccess);
}

}  // namespace braid::rpc
