// Disks and transports of the server, as far as it has any that the protocol knows of.
#pragma once

#include "rpc/interface.h"

namespace braid::rpc::srvsvc {

// [MS-SRVS] 3.1.4.19 "NetrServerDiskEnum (Opnum 23)": the one drive that paths of shares are on.
FaultStatus disk_enum(Call& call);
// [MS-SRVS] 3.1.4.24 "NetrServerTransportEnum (Opnum 26)": direct TCP.
FaultStatus transport_enum(Call& call);

}  // namespace braid::rpc::srvsvc
