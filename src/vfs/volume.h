// Volume: the files of one share.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/identity.h"
#include "vfs/attributes.h"
#include "vfs/file.h"
#include "vfs/path.h"
#include "vfs/quotas.h"

namespace braid::vfs {

// Something in the file system, held so that it stays the same object whatever happens to its name.
// Shared. Thread: any.
class Node {
 public:
  virtual ~Node() = default;
  virtual FileKey key() const = 0;
};

// A name in a directory; `name` is spelled as on disk.
struct Place {
  std::shared_ptr<Node> parent;
  std::string name;
  bool is_exact = false;  // another spelling in the directory is another name: NameRules::kExact
};

struct LookupOptions {
  // kWindows: names match without regard to case and reserved characters are mapped (names.h).
  // kPosix: names are the bytes on disk.
  // kExact: reserved characters are mapped, and each case of a name is another name.
  NameRules rules = NameRules::kWindows;
  // Fill Found::place.parent: for rename, link and delete.
  bool pin_parent = false;
  // A link at its end is followed, where Features::follows_links and it stays inside the tree. One
  // before is followed there in any case; found, or missing, is then the path it leads to.
  bool follow_last = false;
  // A large directory that has to be read to answer is read a piece at a time: EINPROGRESS, and the
  // caller asks again when others had their turn.
  bool in_pieces = false;
  // kNever: only what the kernel has in memory by this very spelling, no link, and nothing that is
  // mounted below the root; EAGAIN for all else. Where Features::at_once, what is found so may be
  // opened without waiting for a disk. Not with pin_parent. Within a ScopedAtOnce every look-up is
  // so.
  Wait wait = Wait::kAllowed;
};

// Where a name that was opened is now. `path` is spelled as on disk, as the client sees it.
struct Located {
  Place place;  // with its parent held
  Path path;
};

// A path leads to something, to a name that is free, or to a link before its end. They are types of
// their own, so that only what was found can be opened and only what is missing can be made: a path
// that led somewhere a moment ago may not do so now, and whoever forgets that does not compile.

// It is there. `path` is spelled as on disk, as the client sees it.
struct Found {
  // REQUIRES held != null.
  Found(std::shared_ptr<Node> held, Attributes now)
      : node(std::move(held)), attributes(std::move(now)) {}

  std::shared_ptr<Node> node;  // never null
  // The last component may itself be a symbolic link: attributes.is_symlink().
  Attributes attributes;
  Path path;
  // Where it is (parent only with pin_parent). The root of the share has no place.
  Place place;
  // The last component spelled as the client wants it on disk; differs from place.name when only
  // case does. What a rename that changes case writes.
  std::string wanted_name;
  std::string symlink_target;  // the text of the link that it is
};

// The directory is there, the last name is not: `place` says where it would be.
struct Missing {
  // REQUIRES where.parent != null.
  explicit Missing(Place where) : place(std::move(where)) {}

  Place place;
  Path path;  // spelled as it would be
};

// A symbolic link stands in the way, before the last component.
struct Link {
  Path path;  // up to the link
  std::string target;
};

using Resolved = std::variant<Found, Missing, Link>;

// Null unless the look-up worked and the path leads to something.
inline const Found* found_in(const Result<Resolved>& resolved) {
  return resolved ? std::get_if<Found>(&*resolved) : nullptr;
}

// Rights to ask the kernel for. With all false the file can be looked at and its attributes changed
// (subject to their own checks), but needs no right to its data: a "stat open".
struct DataAccess {
  bool read = false;   // data; for a directory: list it
  bool write = false;  // data
};

struct OpenHow {
  DataAccess access;
  bool truncate = false;  // needs access.write
  // The user was granted this before, and keeps it whatever the kernel would say now. What is done
  // with the file is done with his rights all the same.
  bool was_granted = false;
};

struct CreateHow {
  DataAccess access;
  bool directory = false;
  uint32_t mode = 0644;         // before the parent's default ACL; the process runs with umask 0
  uint32_t dos_attributes = 0;  // dos::kSettable bits; ARCHIVE is added for files
  bool compress = true;         // as the directory does; false: never
  bool unnamed = false;         // until publish(); without that nothing is left of it
};

// What takes the place of an empty file or of a link. Nothing of it has data.
struct Replacement {
  Kind kind = Kind::kFile;  // kFile: an empty file; never a directory
  std::string target{};     // of a symbolic link
  uint64_t device = 0;      // st_rdev, of a device
  uint32_t mode = 0600;     // of what is no link, before the directory's default ACL

  static Replacement link_to(std::string_view target) {
    return {.kind = Kind::kSymlink, .target = std::string(target)};
  }
};

struct AdoptHow {
  std::string_view name;    // the last one of the file, as the client sees it
  std::string_view stream;  // not empty: of that stream, and the descriptor is the file's
  bool writable = false;    // the stream
};

struct Features {
  bool xattrs = false;
  bool streams = false;
  bool reflink = false;
  bool sparse = false;
  bool compression = false;            // File::set_compressed() works
  bool case_sensitive_on_disk = true;  // two names may differ in case only
  bool hard_links = true;
  bool leases = false;         // local programs can be held off: local_guard.h
  bool at_once = false;        // LookupOptions::wait; of the root's file system
  bool follows_links = false;  // LookupOptions::follow_last
  uint64_t device = 0;         // for volume serial numbers
  std::string file_system_id;  // stable across restarts, any bytes; may be empty
  FileTime creation_time;
};

// Takes out of a recycle bin what has been in it for too long. Thread: one at a time, as the
// server.
class Sweep {
 public:
  virtual ~Sweep() = default;
  // Looks at `max` names. False: it has seen the bin, or as much of it as one sweep looks at.
  virtual Result<bool> next(size_t max) = 0;
};

// The tree below one directory. Paths never lead out of it, whatever symbolic links and renames
// local programs make meanwhile. Every operation acts as `who`, on the calling thread, and may
// block. Owned by the Share. Thread: any.
//
// Errors: Fault::kOs with an errno; lookup() alone also gives STATUS_OBJECT_PATH_NOT_FOUND when a
// directory on the way is missing or is not a directory.
class Volume {
 public:
  virtual ~Volume() = default;

  virtual Result<Resolved> lookup(const Credentials& who, const Path& path,
                                  const LookupOptions& options = {}) = 0;
  // The same for who has no use for anything but what is there: ENOENT for a name that is free,
  // STATUS_OBJECT_PATH_NOT_FOUND for a link in the way.
  Result<Found> find(const Credentials& who, const Path& path, const LookupOptions& options = {});
  // Of what has this name: its key, kind, birth, size and times. For who asks about very many.
  virtual Result<Attributes> glance(const Credentials& who, const Path& path) {
    BRAID_TRY(const Found found, find(who, path));
    return found.attributes;
  }

  // Where the very name by which `file` (not a stream of it) was opened is now, whoever has renamed
  // it or a directory above. ENOENT: the file has lost this name, and only then; EXDEV: it is
  // outside of this tree; ESTALE: it has been somewhere else at each look; EBUSY: the root;
  // EOPNOTSUPP: this is not known.
  virtual Result<Located> locate(const Credentials& who, File& file) {
    (void)who, (void)file;
    return fail_os(EOPNOTSUPP);
  }
  // Only the path: as the server knows it, whatever the user may do with the directories on the
  // way, and without waiting for a disk.
  virtual Result<Path> name_of(File& file) const {
    (void)file;
    return fail_os(EOPNOTSUPP);
  }

  // Opens what lookup() found, and nothing that took its name since. A symbolic link, pipe, socket
  // or device opens without data access only (EACCES). EAGAIN: somebody has a lease on the file and
  // was asked to give it up; who waits for him asks again.
  virtual Result<std::unique_ptr<File>> open(const Credentials& who, const Found& found,
                                             const OpenHow& how) = 0;
  // Makes what lookup() missed, all of it or nothing. EEXIST when someone was faster: look again.
  // What has its name may have been opened, written and closed by others before the next line is
  // reached, so it is not taken back here: whatever else is to be done to a new file and may be
  // refused is done with `unnamed`, or the caller keeps others from the name.
  virtual Result<std::unique_ptr<File>> create(const Credentials& who, const Missing& missing,
                                               const CreateHow& how) = 0;
  // Gives what create() made for `missing` without a name that name, and tells what it is then. It
  // replaces nothing: EEXIST as above.
  virtual Result<Attributes> publish(const Credentials& who, const Missing& missing,
                                     File& file) = 0;
  virtual Result<void> make_symlink(const Credentials& who, const Place& place,
                                    std::string_view target) = 0;

  // Puts a symbolic link, pipe, socket, device or empty file where `expected` is, which loses this
  // name. There is no moment without the one or the other. ESTALE unless `place` is still
  // `expected`; ENOTEMPTY; EOPNOTSUPP; EPERM or EACCES for a device that the kernel does not let
  // the user make. Nothing of what is made is opened.
  virtual Result<void> replace(const Credentials& who, const Place& place, FileKey expected,
                               const Replacement& by) = 0;

  // ESTALE unless `from` is still `expected`. EEXIST when `to` is taken and `replace` is false;
  // with it a file replaces a file and a directory an empty directory. Sets ARCHIVE on a file.
  virtual Result<void> rename(const Credentials& who, const Place& from, FileKey expected,
                              const Place& to, bool replace) = 0;
  virtual Result<void> link(const Credentials& who, File& file, const Place& to, bool replace) = 0;
  // Removes a file or an empty directory. ESTALE unless `place` is still `expected`; ENOTEMPTY.
  virtual Result<void> remove(const Credentials& who, const Place& place, FileKey expected) = 0;

  // In place of remove(): moves a file to the recycle bin, with the rights of `who`. `path`: where
  // `place` is. False: it is nothing to be kept, or the back end has no bin. ESTALE as remove(); of
  // any other error it is where it was.
  virtual Result<bool> recycle(const Credentials& who, const Place& place, const Path& path,
                               FileKey expected) {
    (void)who, (void)place, (void)path, (void)expected;
    return false;
  }
  // Of what came into the bin before that time. Null where there is none. The volume outlives it.
  virtual std::unique_ptr<Sweep> sweep_bin(FileTime before) {
    (void)before;
    return nullptr;
  }

  // What a Volume of another process on the same directory has opened for `who`, with the access it
  // has: `descriptor` is a duplicate of that File's. EOPNOTSUPP.
  virtual Result<std::unique_ptr<File>> adopt(const Credentials& who, UniqueFd descriptor,
                                              const AdoptHow& how) {
    (void)who, (void)descriptor, (void)how;
    return fail_os(EOPNOTSUPP);
  }

  // The tree below one directory of this volume, as a volume of its own, opened as the server;
  // names as they are on disk. EOPNOTSUPP where there is no such thing.
  virtual Result<std::unique_ptr<Volume>> open_below(const Path& directory) {
    (void)directory;
    return fail_os(EOPNOTSUPP);
  }

  // Of the file system that the root is on.
  virtual Result<Space> space(const Credentials& who) = 0;
  // Null where the back end has none.
  virtual Quotas* quotas() { return nullptr; }
  virtual const Features& features() const = 0;
};

inline Result<Found> Volume::find(const Credentials& who, const Path& path,
                                  const LookupOptions& options) {
  BRAID_TRY(Resolved resolved, lookup(who, path, options));
  if (auto* found = std::get_if<Found>(&resolved)) return std::move(*found);
  if (std::holds_alternative<Missing>(resolved)) return fail_os(ENOENT);
  return fail(NtStatus::kObjectPathNotFound);
}

}  // namespace braid::vfs
