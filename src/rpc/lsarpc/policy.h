// Policy handles, and what the policy says of domains.
#pragma once

#include "rpc/interface.h"

namespace braid::rpc::lsarpc {

// [MS-LSAD] 3.1.4.9.4 "LsarClose (Opnum 0)".
FaultStatus close(Call& call);
// [MS-LSAD] 3.1.4.4.2 "LsarOpenPolicy (Opnum 6)" and 3.1.4.4.1 "LsarOpenPolicy2 (Opnum 44)".
FaultStatus open_policy(Call& call);
FaultStatus open_policy2(Call& call);
// [MS-LSAD] 3.1.4.4.4 "LsarQueryInformationPolicy (Opnum 7)" and 3.1.4.4.3
// "LsarQueryInformationPolicy2 (Opnum 46)": primary domain (3), account domain (5), server role
// (6), DNS domain (12).
FaultStatus query_information_policy(Call& call);
// [MS-LSAD] 3.1.4.8.1 "LsarEnumeratePrivileges (Opnum 2)" and 3.1.4.5.2 "LsarEnumerateAccounts
// (Opnum 11)": this server hands out no privileges, so both lists are empty.
FaultStatus enumerate_privileges(Call& call);
FaultStatus enumerate_accounts(Call& call);
// [MS-LSAD] 3.1.4.7.8 "LsarEnumerateTrustedDomains (Opnum 13)" and 3.1.4.7.7
// "LsarEnumerateTrustedDomainsEx (Opnum 50)": it trusts no other domain.
FaultStatus enumerate_trusted_domains(Call& call);
// [MS-LSAT] 3.1.4.4 "LsarGetUserName (Opnum 45)".
FaultStatus get_user_name(Call& call);

// The policy handle at the front of most calls' parameters; false if it is none of ours.
bool read_policy_handle(Call& call);

}  // namespace braid::rpc::lsarpc
