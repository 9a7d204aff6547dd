// Whose turn work of the protocol engine takes on the worker pool.
#pragma once

#include <string_view>

#include "auth/identity.h"
#include "runtime/worker_pool.h"
#include "smb2/shares/share.h"

namespace braid::smb2 {

class Open;

// Of a user, in whatever sessions, on a share, whatever the configuration made it anew. Null: none.
WorkOwner work_of(const auth::Identity* user, const Share* share);
// Of a TREE_CONNECT, which has only the name of the share.
WorkOwner work_of(const auth::Identity& user, std::string_view share);
// Of what is done with an Open when no request does it.
WorkOwner work_of(const Open& open);
// Of a logon: nobody is known yet but the address.
WorkOwner work_of_logon(std::string_view peer_host);
// Of signing and encrypting, which waits for no disk: not behind the work of the user that does.
WorkOwner work_of_protection(const auth::Identity* user);
// The same while nobody is known on the connection.
WorkOwner work_of_protection(uint64_t connection);

}  // namespace braid::smb2
