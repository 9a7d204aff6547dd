// The notice that a session is closed.
#pragma once

#include "smb2/connections/connection.h"
#include "smb2/sessions/session.h"

namespace braid::smb2 {

// [MS-SMB2] 3.3.1.7 "Per Transport Connection", Connection.SupportsNotifications: both sides said
// so in NEGOTIATE. Thread: any, once a session is on the connection.
bool supports_notifications(const Connection& connection);
// Session.SupportsNotifications: that of the connection it began on, and so of all its channels.
// False of one that has none any more.
bool supports_notifications(const Session& session);

// Sends SMB2_NOTIFY_SESSION_CLOSED ([MS-SMB2] 2.2.44.2) on the first channel that is there, if the
// client knows it: encrypted if the session is, not signed otherwise, as breaks are. For a session
// that ends though its client did nothing. Whether it arrives nobody hears. Thread: any.
void tell_session_closed(const Session& session);

}  // namespace braid::smb2
