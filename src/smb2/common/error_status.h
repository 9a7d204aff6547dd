// The one place where errors become NTSTATUS.
#pragma once

#include "base/result.h"

namespace braid::smb2 {

// What a client is told. Commands that must answer differently for one errno do so themselves
// before the error gets here.
NtStatus to_status(const Error& error);

}  // namespace braid::smb2
