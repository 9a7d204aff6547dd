// Lists of RIDs and names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rpc/interface.h"

namespace braid::rpc::samr {

// Of one answer, here and in SamrQueryDisplayInformation.
inline constexpr size_t kEntriesMax = 1000;
inline constexpr uint32_t kMoreEntries = 0x00000105;  // STATUS_MORE_ENTRIES

// [MS-SAMR] 2.2.7.9 "SAMPR_RID_ENUMERATION".
struct RidName {
  uint32_t rid;
  std::string name;
};

// The [out] half of the SamrEnumerate... calls: context, SAMPR_ENUMERATION_BUFFER, count, status.
// Starts at entry `context`; at most kEntriesMax at once.
FaultStatus finish_enumeration(Call& call, uint32_t context, const std::vector<RidName>& all);

// [MS-SAMR] 2.2.7.4 "SAMPR_ULONG_ARRAY".
void write_ulong_array(wire::NdrWriter& out, const std::vector<uint32_t>& values);

}  // namespace braid::rpc::samr
