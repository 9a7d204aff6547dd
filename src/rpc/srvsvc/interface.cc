#include "rpc/interface.h"

#include "rpc/srvsvc/activity.h"
#include "rpc/srvsvc/devices.h"
#include "rpc/srvsvc/server.h"
#include "rpc/srvsvc/shares.h"

namespace braid::rpc {
namespace {

constexpr Operation kOperations[] = {
    {8, srvsvc::connection_enum},  {9, srvsvc::file_enum},       {12, srvsvc::session_enum},
    {15, srvsvc::share_enum},      {16, srvsvc::share_get_info}, {20, srvsvc::share_check},
    {21, srvsvc::server_get_info}, {23, srvsvc::disk_enum},      {26, srvsvc::transport_enum},
    {28, srvsvc::remote_tod},      {33, srvsvc::name_validate},  {36, srvsvc::share_enum_sticky},
};

// 4b324fc8-1670-01d3-1278-5a47bf6ee188 version 3.0: [MS-SRVS] 1.9 "Standards Assignments".
constexpr Interface kInterface{"srvsvc",
                               {{{0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78, 0x5a,
                                  0x47, 0xbf, 0x6e, 0xe1, 0x88}},
                                3},
                               kOperations,
                               true};

}  // namespace

const Interface& srvsvc_interface() { return kInterface; }

}  // namespace braid::rpc
