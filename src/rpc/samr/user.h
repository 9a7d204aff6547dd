// Calls on a user handle.
#pragma once

#include "rpc/interface.h"

namespace braid::rpc::samr {

// [MS-SAMR] 2.2.1.12 "USER_ACCOUNT Codes" of an account.
uint32_t account_control(const Account& user);
inline constexpr uint32_t kNormalAccount = 0x00000010;
// [MS-SAMR] 2.2.1.10 "SE_GROUP Attributes" of every group: mandatory, by default, enabled.
inline constexpr uint32_t kGroupAttributes = 0x00000007;

// [MS-SAMR] 3.1.5.1.9 "SamrOpenUser (Opnum 34)", on a domain handle.
FaultStatus open_user(Call& call);
// [MS-SAMR] 3.1.5.5.6 "SamrQueryInformationUser (Opnum 36)" and 3.1.5.5.5
// "SamrQueryInformationUser2 (Opnum 47)": general (1), name (6), account name (7), full name (8),
// control (16) and all (21).
FaultStatus query_information_user(Call& call);
// [MS-SAMR] 3.1.5.9.1 "SamrGetGroupsForUser (Opnum 39)".
FaultStatus get_groups_for_user(Call& call);

}  // namespace braid::rpc::samr
