// chmod(2) and chown(2) of a file that has a security descriptor of its own.
#pragma once

#include "wire/dtyp/security_descriptor.h"

namespace braid::smb2 {

// What a descriptor becomes. `stored`: as it was, and `effective` the same for the evaluator
// (FileSecurity). `before` and `after`: descriptor_of_unix() of the file's mode, list and owners
// before and after the change.
//
// Whose bits have changed has what these say, with entries that the new mode needs; whose bits are
// as they were keeps what was granted and denied, which may be less than any bits can say. What is
// passed on to new files, and the SACL, stay.
wire::SecurityDescriptor after_unix_change(const wire::SecurityDescriptor& stored,
                                           const wire::SecurityDescriptor& effective,
                                           const wire::SecurityDescriptor& before,
                                           const wire::SecurityDescriptor& after);

}  // namespace braid::smb2
