// DescriptorStore: security descriptors of files, where they are kept and how they are found.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <unordered_map>

#include "auth/id_mapper.h"
#include "base/clock.h"
#include "base/guarded.h"
#include "runtime/identity.h"
#include "smb2/security/ntacl.h"
#include "smb2/security/posix_acl.h"
#include "vfs/vfs.h"
#include "wire/dtyp/security_descriptor.h"

namespace braid::smb2 {

// Samba's name as root. An ordinary user cannot set names in `security.`; what such a server keeps
// in `user.` can be changed by whoever may write the file locally.
inline constexpr std::string_view kNtAclName = "security.NTACL";
inline constexpr std::string_view kNtAclUserName = "user.NTACL";

// What decides about one file at one moment. Shared, never changed once made.
struct FileSecurity {
  wire::SecurityDescriptor descriptor;  // as clients see it
  // The same for the evaluator: accounts of this system by the one SID that logons carry
  // (S-1-22-1-5 means uid 5 too), and owner and group of a foreign domain, which only another
  // server of the directory can have written, replaced by the file's Unix owner and group.
  wire::SecurityDescriptor effective;
  bool is_stored = false;  // false: made from mode and POSIX access list
  vfs::Attributes attributes;
  PosixAcl access;
  PosixAcl default_list;  // of a directory, by which the kernel makes files in it; empty: none
};
using FileSecurityRef = std::shared_ptr<const FileSecurity>;

// Who changes owner or group of a file. The kernel lets an owner give a file to one's own groups
// only, and nobody gives a file away; taking it is what WRITE_OWNER is for. SeRestorePrivilege
// may give it to anyone. [MS-FSA] 2.1.5.17 "Server Requests Setting of Security Information".
struct OwnerGiver {
  const UnixCredentials& who;
  bool may_restore = false;
};

// Descriptors live in an extended attribute of the file (ntacl.h) together with a hash of what the
// kernel checks by. When the hash no longer fits, a local program has changed owner, mode or access
// list since: then that is what holds, and the attribute is ignored.
//
// A cache by file and Attributes::changed saves the look: whatever alters a descriptor, mode or
// access list alters that, also where the change time that is shown was chosen or is kept. A change
// within the clock's step could go unnoticed, so only what has been left alone for a while is kept.
//
// Owned by the Server. Thread: any; may block.
class DescriptorStore {
 public:
  DescriptorStore(const auth::IdMapper& ids, const Clock& clock) : ids_(ids), clock_(clock) {}

  // `attributes`: of the file, as just read.
  Result<FileSecurityRef> load(vfs::File& file, const vfs::Attributes& attributes);
  // Opens the file, for a look at its attributes only, if it is not in the cache.
  Result<FileSecurityRef> load(vfs::Volume& volume, const Credentials& who,
                               const vfs::Found& found);
  // Null when load() would have to look.
  FileSecurityRef cached(const vfs::Attributes& attributes) const;

  // What a descriptor becomes, from what it is when nobody else can change it; may refuse.
  using Change = std::function<Result<void>(wire::SecurityDescriptor&)>;
  // Reads, changes and keeps the descriptor as one step (File::exclusively), and brings owner,
  // group and access list into line with it: the owner and group that this system has accounts for,
  // if they differ. All of that as the server: the caller has decided that the user may set these
  // parts. Whom `by` may make owner or group is decided here. False: the file had that descriptor.
  // STATUS_INVALID_OWNER, STATUS_INVALID_PRIMARY_GROUP; STATUS_NOT_SUPPORTED where the file system
  // has no extended attributes. On an error nothing is changed.
  Result<bool> change(vfs::File& file, const Change& change, const OwnerGiver& by);
  // chmod(2) and chown(2) as who opened `file`; the kernel decides who may. A descriptor that was
  // stored becomes what unix_change.h says, or, where it cannot be written down, the file is as it
  // was. One that no longer held is gone, and does not hold again when the old mode comes back.
  Result<void> change_unix(vfs::File& file, const vfs::AttributesChange& change);
  // The same as change() with a whole descriptor, for new files.
  Result<void> store(vfs::File& file, const wire::SecurityDescriptor& descriptor,
                     const OwnerGiver& by);

 private:
  // As many as the opens of a busy server keep coming back to; a few hundred bytes each.
  static constexpr size_t kCachedMax = 16384;

  struct Cache {
    struct Entry {
      FileSecurityRef security;
      std::list<FileKey>::iterator used;
    };
    std::unordered_map<FileKey, Entry> entries;
    std::list<FileKey> least_recently_used;  // front: most recently
  };

  struct Look {
    std::shared_ptr<FileSecurity> security;
    std::optional<Bytes> value;  // the attribute
    bool is_outdated = false;    // the attribute is of another state of the file
    bool has_lists = true;       // the file system keeps access lists
  };
  // Of what the store looks for: kNothing is known, and then Look::has_lists is not.
  enum class Has : uint8_t { kNothing, kPerhaps };
  Result<Look> look(vfs::File& file, const vfs::Attributes& attributes,
                    Has has = Has::kPerhaps) const;
  Result<FileSecurityRef> load_anew(vfs::File& file, const vfs::Attributes& attributes, Has has);
  // Owner, group, access list and the attribute with its hashes. REQUIRES that the file is this
  // thread's (File::exclusively), and `look` of after that.
  Result<void> put(vfs::File& file, const Look& look, const wire::SecurityDescriptor& descriptor,
                   const OwnerGiver& by);
  void keep(const FileSecurityRef& security);
  void forget(FileKey key);

  const auth::IdMapper& ids_;
  const Clock& clock_;
  mutable Guarded<Cache> cache_;
};

}  // namespace braid::smb2
