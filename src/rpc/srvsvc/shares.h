// NetrShareEnum and its kin.
#pragma once

#include "rpc/interface.h"

namespace braid::rpc::srvsvc {

// [MS-SRVS] 3.1.4.8 "NetrShareEnum (Opnum 15)".
FaultStatus share_enum(Call& call);
// [MS-SRVS] 3.1.4.9 "NetrShareEnumSticky (Opnum 36)": the same of shares that outlive a restart, as
// all of ours do, without level 501.
FaultStatus share_enum_sticky(Call& call);
// [MS-SRVS] 3.1.4.10 "NetrShareGetInfo (Opnum 16)".
FaultStatus share_get_info(Call& call);
// [MS-SRVS] 3.1.4.16 "NetrShareCheck (Opnum 20)".
FaultStatus share_check(Call& call);

}  // namespace braid::rpc::srvsvc
