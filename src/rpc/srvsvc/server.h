// The server itself.
#pragma once

#include "rpc/interface.h"

namespace braid::rpc::srvsvc {

// [MS-SRVS] 3.1.4.17 "NetrServerGetInfo (Opnum 21)", levels 100, 101 and 102.
FaultStatus server_get_info(Call& call);
// [MS-SRVS] 3.1.4.21 "NetrRemoteTOD (Opnum 28)".
FaultStatus remote_tod(Call& call);
// [MS-SRVS] 3.1.4.32 "NetprNameValidate (Opnum 33)".
FaultStatus name_validate(Call& call);

}  // namespace braid::rpc::srvsvc
