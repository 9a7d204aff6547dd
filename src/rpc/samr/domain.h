// Calls on a domain handle.
#pragma once

#include "rpc/interface.h"

namespace braid::rpc::samr {

// How many aliases BUILTIN has.
size_t builtin_alias_count(const Directory& directory);

// [MS-SAMR] 3.1.5.2.3 "SamrEnumerateGroupsInDomain (Opnum 11)", 3.1.5.2.5
// "SamrEnumerateUsersInDomain (Opnum 13)" and 3.1.5.2.4 "SamrEnumerateAliasesInDomain (Opnum 15)".
FaultStatus enumerate_groups(Call& call);
FaultStatus enumerate_users(Call& call);
FaultStatus enumerate_aliases(Call& call);
// [MS-SAMR] 3.1.5.9.2 "SamrGetAliasMembership (Opnum 16)".
FaultStatus get_alias_membership(Call& call);
// [MS-SAMR] 3.1.5.11.2 "SamrLookupNamesInDomain (Opnum 17)".
FaultStatus lookup_names(Call& call);
// [MS-SAMR] 3.1.5.11.3 "SamrLookupIdsInDomain (Opnum 18)".
FaultStatus lookup_ids(Call& call);

}  // namespace braid::rpc::samr
