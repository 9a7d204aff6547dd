#include "rpc/interface.h"

#include "rpc/samr/display.h"
#include "rpc/samr/domain.h"
#include "rpc/samr/domain_info.h"
#include "rpc/samr/server.h"
#include "rpc/samr/user.h"

namespace braid::rpc {
namespace {

constexpr Operation kOperations[] = {
    {0, samr::connect},
    {1, samr::close_handle},
    {5, samr::lookup_domain},
    {6, samr::enumerate_domains},
    {7, samr::open_domain},
    {8, samr::query_information_domain},
    {11, samr::enumerate_groups},
    {13, samr::enumerate_users},
    {15, samr::enumerate_aliases},
    {16, samr::get_alias_membership},
    {17, samr::lookup_names},
    {18, samr::lookup_ids},
    {34, samr::open_user},
    {36, samr::query_information_user},
    {39, samr::get_groups_for_user},
    {40, samr::query_display_information},
    {46, samr::query_information_domain},
    {47, samr::query_information_user},
    {48, samr::query_display_information},
    {51, samr::query_display_information},
    {57, samr::connect2},
    {62, samr::connect4},
    {64, samr::connect5},
    {65, samr::rid_to_sid},
};

// 12345778-1234-abcd-ef00-0123456789ac version 1.0: [MS-SAMR] 1.9 "Standards Assignments".
constexpr Interface kInterface{"samr",
                               {{{0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01,
                                  0x23, 0x45, 0x67, 0x89, 0xac}},
                                1},
                               kOperations,
                               false};

}  // namespace

const Interface& samr_interface() { return kInterface; }

}  // namespace braid::rpc
