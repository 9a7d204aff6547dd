// Sessions with their channels, as an administrator sees them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/ids.h"

namespace braid::smb2 {
class Server;
}

namespace braid::admin {

// As [MS-DTYP] 2.3.4.3 "GUID--Curly Braced String Representation", without the braces.
std::string guid_text(const ClientGuid& guid);

// An array with one object for each session that has been authenticated:
//   session, user, client_guid    who
//   state                         valid, expired or closed
//   dialect, signing, encryption  names as in "3.1.1", "AES-GMAC", "AES-128-GCM"; signing says
//                                 whether it is required, encryption is "off" where none is asked
//   opens, idle_seconds, active_seconds
//   logged_on, method, machine    when ("2026-11-30T09:00:00Z"), "NTLM" or "Kerberos", and what the
//                                 client calls its machine; empty where it does not say
//   client                        the address of its first channel
//   trees                         tree, share, opens, active_seconds
//   channels                      channel, client, server, interface, bytes_in, bytes_out,
//                                 requests, requests_in_flight, unsent_bytes,
//                                 unacknowledged_bytes, state, compression: null where none was
//                                 agreed on, else sent_with, chained, and for in and out how many
//                                 messages came and went compressed, with how many bytes and how
//                                 many plain_bytes in them
// Thread: any.
nlohmann::json sessions_of(const smb2::Server& server);

}  // namespace braid::admin
