// Who is connected and what is open.
#pragma once

#include "rpc/interface.h"

namespace braid::rpc::srvsvc {

// [MS-SRVS] 3.1.4.1 "NetrConnectionEnum (Opnum 8)", levels 0 and 1.
FaultStatus connection_enum(Call& call);
// [MS-SRVS] 3.1.4.2 "NetrFileEnum (Opnum 9)", levels 2 and 3.
FaultStatus file_enum(Call& call);
// [MS-SRVS] 3.1.4.5 "NetrSessionEnum (Opnum 12)", levels 0, 1, 2, 10 and 502. All three are for
// administrators.
FaultStatus session_enum(Call& call);

}  // namespace braid::rpc::srvsvc
