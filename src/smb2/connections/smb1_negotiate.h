// The multi-protocol negotiate: an SMB1 message that asks for SMB2.
#pragma once

#include "base/bytes.h"

namespace braid::smb2 {

class Connection;

// [MS-SMB2] 3.3.5.3 "Receiving an SMB_COM_NEGOTIATE". False: the connection must end.
bool process_smb1_negotiate(Connection& connection, ByteView message);

// Puts a connection that has seen nothing into the state that process_smb1_negotiate() left another
// in, when it answered "SMB 2.???".
void resume_after_smb1_negotiate(Connection& connection);

}  // namespace braid::smb2
