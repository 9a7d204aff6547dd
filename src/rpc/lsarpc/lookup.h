// Names to SIDs and back.
#pragma once

#include "rpc/interface.h"

namespace braid::rpc::lsarpc {

// [MS-LSAT] 2.2.16 "LSAP_LOOKUP_LEVEL": 1 to this.
inline constexpr uint16_t kLevelMax = 7;

// [MS-LSAT] 3.1.4.8 "LsarLookupNames (Opnum 14)", 3.1.4.7 "LsarLookupNames2 (Opnum 58)" and 3.1.4.6
// "LsarLookupNames3 (Opnum 68)".
FaultStatus lookup_names(Call& call);
FaultStatus lookup_names2(Call& call);
FaultStatus lookup_names3(Call& call);
// [MS-LSAT] 3.1.4.11 "LsarLookupSids (Opnum 15)" and 3.1.4.10 "LsarLookupSids2 (Opnum 57)".
FaultStatus lookup_sids(Call& call);
FaultStatus lookup_sids2(Call& call);
// [MS-LSAT] 3.1.4.5 "LsarLookupNames4 (Opnum 77)" and 3.1.4.9 "LsarLookupSids3 (Opnum 76)" are for
// domain members over a secure channel, never over a pipe: access denied, as the sections want it.
FaultStatus secure_channel_only(Call& call);

}  // namespace braid::rpc::lsarpc
