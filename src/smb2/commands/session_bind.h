// Binding a connection to a session that is there: the SESSION_SETUP that makes a Channel.
#pragma once

#include <memory>

#include "auth/authenticator.h"
#include "smb2/request.h"

namespace braid::smb2 {

// The session a request with SMB2_SESSION_FLAG_BINDING names, after every check that needs no
// authentication. [MS-SMB2] 3.3.5.5, the steps for the flag; docs/protocol.md says where Windows
// answers otherwise. Nothing of the session changes. Once the signature fits,
// request.reply_signing_key is the session's, for whatever is answered; an unproven request gets no
// answer signed with it.
Result<std::shared_ptr<Session>> find_session_to_bind(Request& request);

// The authentication succeeded: makes the channel, if the user is the session's. The request's
// answer is then signed with the channel's own key, made of this authentication and `preauth_hash`.
// [MS-SMB2] 3.3.5.5.3, Channel.SigningKey. REQUIRES: on the connection's reactor.
Result<void> add_bound_channel(Request& request, const std::shared_ptr<Session>& session,
                               const auth::AuthStep& step, ByteView preauth_hash);

}  // namespace braid::smb2
