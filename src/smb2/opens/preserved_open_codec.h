// A PreservedOpen as bytes and a descriptor, for another worker of this machine.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "smb2/opens/preserved_open.h"
#include "smb2/shares/share.h"

namespace braid::smb2 {

// The descriptor that goes with encode(); -1: its file can not be handed over. The open's.
int descriptor_of(const PreservedOpen& open);
Bytes encode(const PreservedOpen& open);

// Of its owner only what Identity::is_same_user() looks at. STATUS_OBJECT_NAME_NOT_FOUND if
// `shares` have no such share with the same folder; ESTALE if `descriptor` is of another file. May
// block.
Result<PreservedOpen> decode_preserved_open(ByteView bytes, UniqueFd descriptor,
                                            const ShareTable& shares);

}  // namespace braid::smb2
