// What a user may do with a file: where descriptors, the tree connect, the READONLY attribute and
// the kernel's rule about names in directories come together.
#pragma once

#include <cstdint>

#include "rpc/caller_info.h"
#include "smb2/connections/request.h"
#include "smb2/security/access_token.h"
#include "smb2/security/descriptor_store.h"

namespace braid::smb2 {

AccessToken token_of(const Principal& principal);

// Who asks on a pipe.
rpc::CallerInfo caller_of(const Request& request);

// STATUS_ACCESS_DENIED if the user reaches no name of the share: who has no account may ask IPC$
// what there is, and reaches what lets guests in. Asked of who the session is now, wherever a path
// leads to a file; what is open already keeps the access it was granted.
Result<void> check_reaches(const Principal& principal, ShareType type, bool lets_guests_in);
inline Result<void> check_reaches(const Principal& principal, const Share& share) {
  return check_reaches(principal, share.type, share.guest);
}
// What the user of a request may make of owner and group.
OwnerGiver owner_giver(const Request& request);

struct FileRights {
  uint32_t maximal = 0;  // what MAXIMUM_ALLOWED grants
  // What a maximal access context tells, [MS-SMB2] 3.3.5.9.5: what the descriptor grants, whether
  // or not the attribute READONLY is in the way now.
  uint32_t told = 0;
  uint32_t by_name = 0;  // granted besides, by privilege, to who asks for it by name
  FileSecurityRef security;
};

// Whether giving up a name is part of what the rights are for.
enum class Names : uint8_t { kMayGo, kStay };

// The rights on what was found. DELETE also comes from the directory's DELETE_CHILD and
// READ_ATTRIBUTES from its LIST_DIRECTORY, as [MS-FSA] 2.1.5.1.2.1 "Algorithm to Check Access to an
// Existing File" says. With kMayGo there is no DELETE where the kernel would not let the user
// unlink the name, so that a delete is refused when it is asked for and not when the last handle
// closes. `desired`: what is asked for; the directory is looked at only if that can make a
// difference. May block.
Result<FileRights> rights_on(Request& request, const vfs::Found& found, uint32_t desired,
                             Names names = Names::kMayGo);

// The directory of `place`, to which `path` led, and what the user may do with it. ESTALE when the
// path has led elsewhere since, STATUS_DELETE_PENDING when it is to be deleted: nothing comes into
// it any more. REQUIRES place.parent.
Result<FileRights> rights_on_parent(Request& request, const vfs::Path& path,
                                    const vfs::Place& place);

// STATUS_ACCESS_DENIED unless a file (or directory) may be put under this name: for rename and
// link. REQUIRES place.parent.
Result<void> check_may_add(Request& request, const vfs::Path& path, const vfs::Place& place,
                           bool is_directory);

// STATUS_ACCESS_DENIED unless the user may delete what rename or link would replace.
// `besides`: other rights on it that doing so takes.
Result<void> check_may_replace(Request& request, const vfs::Found& target, uint32_t besides = 0);

// STATUS_ACCESS_DENIED if the kernel would not let the user unlink the name of request.open, with
// these attributes, any more. ENOENT, ESTALE, EXDEV: there is no such name to be found.
Result<void> check_may_unlink(Request& request, const vfs::Attributes& attributes);

// Whether access-based enumeration shows an entry of the directory at `directory`: the user may
// read its data, attributes, extended attributes and descriptor.
bool is_visible(Request& request, const vfs::Path& directory, const vfs::DirectoryEntry& entry);

}  // namespace braid::smb2
