// The multi-protocol negotiate: an SMB1 message that asks for SMB2.
#pragma once

#include "base/bytes.h"

namespace braid::smb2 {

class Connection;

// [MS-SMB2] 3.3.5.3 "Receiving an SMB_COM_NEGOTIATE". False: the connection must end.
bool process_smb1_negotiate(Connection& connection, ByteView message);

}  // namespace braid::smb2
