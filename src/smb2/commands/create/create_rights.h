// The rights that a CREATE asks for, takes and gets. [MS-FSA] 2.1.5.1.
#pragma once

#include "smb2/commands/create/create_attempt.h"

namespace braid::smb2 {

bool overwrites(wire::CreateDisposition disposition);
bool makes_new(wire::CreateDisposition disposition);

// The rights to grant, or why not. `maximal` is what the user could have, `by_name` what there is
// besides for who asks for it. STATUS_ACCESS_DENIED, STATUS_PRIVILEGE_NOT_HELD.
Result<uint32_t> grant(const CreateAttempt& attempt, uint32_t maximal, uint32_t by_name,
                       uint32_t also_needed);

// What carrying out the disposition on a file, or on a named stream of it, that is there takes
// besides what was asked for; 0 unless it overwrites. [MS-FSA] 2.1.5.1.2 "Open of an Existing
// File".
Result<uint32_t> needed_to_overwrite(const CreateAttempt& attempt, const vfs::Attributes& file);

// Whether what is there may be opened to be deleted at the close: [MS-FSA] 2.1.5.1.2.1. Asked now,
// as nobody hears of it then. `opened`: the file itself. STATUS_CANNOT_DELETE.
Result<void> check_delete_on_close(const CreateAttempt& attempt, const vfs::Attributes& file,
                                   vfs::File& opened);

// What is asked of the file, in whatever way, for rights_on().
uint32_t asked_for(const CreateAttempt& attempt, uint32_t also_needed);

}  // namespace braid::smb2
