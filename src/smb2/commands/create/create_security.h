// The security descriptor of what CREATE makes.
#pragma once

#include <optional>

#include "smb2/connections/request.h"
#include "smb2/files/access_check.h"
#include "vfs/vfs.h"
#include "wire/smb2/create.h"

namespace braid::smb2 {

// What the new file shall have beyond its permission bits. Nothing: those are all.
struct NewSecurity {
  std::optional<wire::SecurityDescriptor> descriptor;
  uint32_t mode = 0;          // to make it with
  bool is_asked_for = false;  // by the client, so that not keeping it is an error
};

// Of the "SecD" context and of the directory. [MS-SMB2] 3.3.5.9.2 "Handling the
// SMB2_CREATE_SD_BUFFER Create Context". STATUS_INVALID_OWNER for an owner that the user may not
// name, STATUS_PRIVILEGE_NOT_HELD for audit entries from someone who may not see them.
Result<NewSecurity> security_for_new(const Request& request, const wire::CreateRequest& create,
                                     const FileSecurity& directory, bool is_directory);

// Of a POSIX open: the mode that the client wants and nothing else, from which the kernel takes by
// the directory's default access list. Clients that want none say so with 16 or 32 ones.
Result<NewSecurity> posix_security_for_new(const Request& request,
                                           const wire::PosixCreateRequest& posix,
                                           const FileSecurity& directory, bool is_directory);

// Gives it to the file just made.
Result<void> apply(Request& request, vfs::File& file, const NewSecurity& security);

// Whether the user may make `owner` the owner of a file: the user itself, anyone for an
// administrator, and whoever has no account on this system, as files copied from elsewhere bring
// along. [MS-FSA] 2.1.5.17 "Server Requests Setting of Security Information". STATUS_INVALID_OWNER.
Result<void> check_owner(const Request& request, const wire::Sid& owner);

}  // namespace braid::smb2
