// The descriptor of something new.
#pragma once

#include "base/result.h"
#include "smb2/security/access_token.h"
#include "wire/dtyp/security_descriptor.h"

namespace braid::smb2 {

// What a new file or directory gets. [MS-DTYP] 2.5.3.4.1 "CreateSecurityDescriptor".
//
// `creator` is what the client sent with CREATE: its DACL is taken as it is, with generic rights
// mapped. Without one the DACL is made of the parent's inheritable entries; entries are marked
// INHERITED when the parent's list is (AUTO_INHERITED), as NTFS does. Owner and group are the
// creator's if given, `owner` and `group` otherwise.
//
// Nothing when neither the client nor the parent says anything: the file then has the permissions
// of a new Unix file.
std::optional<wire::SecurityDescriptor> new_descriptor(const wire::SecurityDescriptor* parent,
                                                       const wire::SecurityDescriptor* creator,
                                                       bool is_directory, const wire::Sid& owner,
                                                       const wire::Sid& group);

// [MS-DTYP] 2.5.3.4.4 "ComputeInheritedACLfromParent" and 2.5.3.4.7 "PostProcessACL". An entry that
// both acts on a new directory and is passed on becomes two when it has generic rights or stands
// for CREATOR OWNER or GROUP. Empty when nothing is inherited.
wire::Acl inherited_list(const wire::Acl& parent, bool is_directory, bool mark,
                         const wire::Sid& owner, const wire::Sid& group);

// Whether a list has entries for children of this kind.
bool inherits(const std::optional<wire::Acl>& parent, bool is_directory);

// A list as it is stored: generic rights of effective entries mapped, and of the flags that say how
// it came to be, AUTO_INHERITED only where AUTO_INHERIT_REQ, which is not stored, asks for it.
enum class StoredList : uint8_t { kDacl, kSacl };
void make_storable(wire::SecurityDescriptor& descriptor, StoredList list);

}  // namespace braid::smb2
