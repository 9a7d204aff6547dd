// A PreservedOpen as bytes and a descriptor, for another worker of this machine.
#pragma once

#include <string>

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

// Its files again, of which `descriptor` came from another process: that of a stream, called
// `stream`, is made of another one for the file it belongs to. ESTALE: it is of another file.
// REQUIRES: share, values and path are set. May block.
Result<void> adopt_files(PreservedOpen& open, UniqueFd descriptor, const std::string& stream);

}  // namespace braid::smb2
