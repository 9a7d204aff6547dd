// Lists of accounts as account managers show them.
#pragma once

#include "rpc/interface.h"

namespace braid::rpc::samr {

// [MS-SAMR] 3.1.5.3.3 "SamrQueryDisplayInformation (Opnum 40)", 3.1.5.3.2
// "SamrQueryDisplayInformation2 (Opnum 48)" and 3.1.5.3.1 "SamrQueryDisplayInformation3 (Opnum
// 51)": users (1), machines (2, of which there are none), groups (3), and users (4) and groups (5)
// with names in ASCII.
FaultStatus query_display_information(Call& call);

}  // namespace braid::rpc::samr
