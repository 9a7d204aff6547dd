// What a domain is and has.
#pragma once

#include "rpc/interface.h"

namespace braid::rpc::samr {

// [MS-SAMR] 3.1.5.5.2 "SamrQueryInformationDomain (Opnum 8)" and 3.1.5.5.1
// "SamrQueryInformationDomain2 (Opnum 46)".
FaultStatus query_information_domain(Call& call);

}  // namespace braid::rpc::samr
