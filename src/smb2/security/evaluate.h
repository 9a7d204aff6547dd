// The one place where a security descriptor is turned into rights.
#pragma once

#include <cstdint>

#include "smb2/security/access_token.h"
#include "wire/dtyp/security_descriptor.h"

namespace braid::smb2 {

// Generic bits to file rights; everything else stays. [MS-DTYP] 2.4.3 "ACCESS_MASK".
uint32_t map_generic(uint32_t access);

// All rights `descriptor` gives `token`: what MAXIMUM_ALLOWED grants. [MS-DTYP] 2.5.3.2 "Access
// Check Algorithm Pseudocode". The first entry that speaks of a right decides about it, so that a
// set of rights is granted exactly when it is part of the result.
//
// The owner has READ_CONTROL and WRITE_DAC whatever the list says, unless an entry for OWNER RIGHTS
// says what the owner has instead.
uint32_t granted_by(const wire::SecurityDescriptor& descriptor, const AccessToken& token);

// Rights that a privilege gives to whoever asks for them by name; not part of MAXIMUM_ALLOWED.
uint32_t granted_by_privilege(const AccessToken& token);

}  // namespace braid::smb2
