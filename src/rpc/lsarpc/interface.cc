#include "rpc/interface.h"

#include "rpc/lsarpc/lookup.h"
#include "rpc/lsarpc/policy.h"

namespace braid::rpc {
namespace {

constexpr Operation kOperations[] = {
    {0, lsarpc::close},
    {2, lsarpc::enumerate_privileges},
    {6, lsarpc::open_policy},
    {7, lsarpc::query_information_policy},
    {11, lsarpc::enumerate_accounts},
    {13, lsarpc::enumerate_trusted_domains},
    {14, lsarpc::lookup_names},
    {15, lsarpc::lookup_sids},
    {44, lsarpc::open_policy2},
    {45, lsarpc::get_user_name},
    {46, lsarpc::query_information_policy},
    {50, lsarpc::enumerate_trusted_domains},
    {57, lsarpc::lookup_sids2},
    {58, lsarpc::lookup_names2},
    {68, lsarpc::lookup_names3},
    {76, lsarpc::secure_channel_only},
    {77, lsarpc::secure_channel_only},
};

// 12345778-1234-abcd-ef00-0123456789ab version 0.0: [MS-LSAT] 1.9 "Standards Assignments".
constexpr Interface kInterface{"lsarpc",
                               {{{0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01,
                                  0x23, 0x45, 0x67, 0x89, 0xab}},
                                0},
                               kOperations,
                               false};

}  // namespace

const Interface& lsarpc_interface() { return kInterface; }

}  // namespace braid::rpc
