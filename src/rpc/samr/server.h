// Handles of the account manager, and the domains it has.
#pragma once

#include <optional>

#include "rpc/interface.h"

namespace braid::rpc::samr {

// [MS-SAMR] 3.1.5.1.4 "SamrConnect (Opnum 0)", 3.1.5.1.3 "SamrConnect2 (Opnum 57)", 3.1.5.1.2
// "SamrConnect4 (Opnum 62)" and 3.1.5.1.1 "SamrConnect5 (Opnum 64)".
FaultStatus connect(Call& call);
FaultStatus connect2(Call& call);
FaultStatus connect4(Call& call);
FaultStatus connect5(Call& call);
// [MS-SAMR] 3.1.5.13.1 "SamrCloseHandle (Opnum 1)".
FaultStatus close_handle(Call& call);
// [MS-SAMR] 3.1.5.11.1 "SamrLookupDomainInSamServer (Opnum 5)": the server's own domain and
// Builtin.
FaultStatus lookup_domain(Call& call);
// [MS-SAMR] 3.1.5.2.1 "SamrEnumerateDomainsInSamServer (Opnum 6)".
FaultStatus enumerate_domains(Call& call);
// [MS-SAMR] 3.1.5.1.5 "SamrOpenDomain (Opnum 7)".
FaultStatus open_domain(Call& call);
// [MS-SAMR] 3.1.5.13.5 "SamrRidToSid (Opnum 65)".
FaultStatus rid_to_sid(Call& call);

// The handle at the front of most calls' parameters; empty if it is not open or of another kind.
std::optional<HandleEntry> read_handle(Call& call, HandleKind kind);
// Opens a handle, writes it and the status.
FaultStatus finish_open(Call& call, HandleKind kind, const wire::Sid& sid);

}  // namespace braid::rpc::samr
