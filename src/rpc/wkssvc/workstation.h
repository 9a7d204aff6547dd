// The Workstation Service.
#pragma once

#include "rpc/interface.h"

namespace braid::rpc::wkssvc {

// [MS-WKST] 3.2.4.1 "NetrWkstaGetInfo (Opnum 0)", levels 100, 101 and 102.
FaultStatus get_info(Call& call);
// [MS-WKST] 3.2.4.3 "NetrWkstaUserEnum (Opnum 2)", levels 0 and 1. Nobody is logged on to a file
// server's console; administrators get an empty list and others none.
FaultStatus user_enum(Call& call);
// [MS-WKST] 3.2.4.4 "NetrWkstaTransportEnum (Opnum 5)": a file server is nobody's client, so the
// list is empty.
FaultStatus transport_enum(Call& call);
// [MS-WKST] 3.2.4.12 "NetrGetJoinInformation (Opnum 20)".
FaultStatus get_join_information(Call& call);

}  // namespace braid::rpc::wkssvc
