// POSIX access control lists as the kernel keeps them in extended attributes.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/sha256.h"
#include "runtime/identity.h"
#include "vfs/attributes.h"

namespace braid::smb2 {

inline constexpr std::string_view kPosixAclAccess = "system.posix_acl_access";
inline constexpr std::string_view kPosixAclDefault = "system.posix_acl_default";

// acl(5). In the kernel's order: owner, users, group, groups, mask, other.
struct PosixAcl {
  enum class Tag : uint16_t {
    kOwner = 0x01,
    kUser = 0x02,
    kGroup = 0x04,
    kNamedGroup = 0x08,
    kMask = 0x10,
    kOther = 0x20,
  };
  struct Entry {
    Tag tag = Tag::kOther;
    uint16_t permissions = 0;  // 4 read, 2 write, 1 execute
    uint32_t id = 0;           // of kUser and kNamedGroup
    bool operator==(const Entry&) const = default;
  };
  // Entries beyond this many make an attribute no file system takes.
  static constexpr size_t kEntriesMax = 8192;

  std::vector<Entry> entries;

  // The list that permission bits alone stand for.
  static PosixAcl of_mode(uint32_t mode);
  static Result<PosixAcl> decode(ByteView bytes);
  Bytes encode() const;

  bool empty() const { return entries.empty(); }
  // What is left of an entry's permissions after the mask.
  uint16_t effective(const Entry& entry) const;
  bool operator==(const PosixAcl&) const = default;
};

// What the kernel grants `who` on a file with this list: 4 read, 2 write, 1 execute.
uint32_t kernel_permissions(const UnixCredentials& who, const vfs::Attributes& attributes,
                            const PosixAcl& access);

// Of owner, group, mode and both lists, in the form Samba hashes them in: it changes when anyone
// changes what the kernel checks by. `default_list`: of a directory, empty for none.
crypto::Digest32 system_acl_hash(const vfs::Attributes& attributes, const PosixAcl& access,
                                 const PosixAcl& default_list);

}  // namespace braid::smb2
