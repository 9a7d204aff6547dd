// The system calls that resolve and examine names, as Results.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "vfs/attributes.h"
#include "vfs/posix/dos_attrib.h"
#include "vfs/volume.h"

namespace braid::vfs {

// The process is in the folder of its descriptors: posix_volume.h.
extern bool is_among_descriptors;

// A path that leads to what `fd` holds, for system calls that take no O_PATH descriptor. It follows
// no name, so nothing can be put in its way.
inline std::string descriptor_path(int fd) {
  std::string number = std::to_string(fd);
  return is_among_descriptors ? number : "/proc/self/fd/" + number;
}

// openat2 that stays below `directory` and follows no link of any kind. `path` is relative; "" is
// the directory itself. O_CLOEXEC is added.
Result<UniqueFd> open_beneath(int directory, const std::string& path, int flags, uint32_t mode = 0);
// The same to look at what the kernel has in memory, below no mount point: nothing is known of what
// is mounted there. EAGAIN: it would have to look at the disk, or cannot tell.
Result<UniqueFd> open_beneath_at_once(int directory, const std::string& path);
// What `fd` holds, opened anew with `flags` and the rights of the thread.
Result<UniqueFd> reopen(int fd, int flags);
// The same to look at a file or directory. EOPNOTSUPP for a pipe or device, to which an open would
// mean something.
Result<UniqueFd> reopen_to_look(int fd);

// statx of `fd` itself, or of `name` in it without following a link.
Result<struct statx> stat_of(int fd);
Result<struct statx> stat_in(int directory, const std::string& name);
FileKey key_of(const struct statx& st);
// From now on FileKey::device of what is on this device is `name`, whatever number it has on this
// machine. False: it has another name already, or there are too many. Thread: any.
bool name_device(uint64_t device, uint64_t name);

// getxattr(), listxattr() and setxattr() of what `fd` holds. One that was opened for data is asked
// itself, which costs a third of the way through descriptor_path().
ssize_t getxattr_of(int fd, const char* name, void* into, size_t size);
ssize_t listxattr_of(int fd, char* into, size_t size);
int setxattr_of(int fd, const char* name, ByteView value);
// Sets an attribute of what `fd` holds that is the server's business, within the user's room: the
// blocks that a file system keeps for root are not for attributes that a client asked for. Where
// the user may not write it, the server does after all. REQUIRES a ScopedPrivilege.
Result<void> store_attribute(int fd, const std::string& name, ByteView value);

// Whether memory may be on a disk; looks once a second. Thread: any.
bool has_swap();

// Reads the DOSATTRIB of what `fd` holds, or of `name` in a directory without following a link; as
// the server where the user may not. Nothing when there is none, or none that can be read.
std::optional<DosAttrib> load_dos_attrib(int fd);
std::optional<DosAttrib> load_dos_attrib_in(int directory, const std::string& name);
// As the server. EOPNOTSUPP from file systems without extended attributes is not an error.
Result<void> store_dos_attrib(int fd, const DosAttrib& attrib);
// Adds bits to what is stored, keeping the creation time. REQUIRES the file's metadata lock.
Result<void> add_dos_attributes(int fd, const struct statx& st, uint32_t bits);

Attributes make_attributes(const struct statx& st, const std::optional<DosAttrib>& attrib);
// Attributes of what `fd` holds.
Result<Attributes> attributes_of(int fd);

// chattr +c and -c. `fd` may be an O_PATH descriptor. EOPNOTSUPP.
Result<void> change_compression(int fd, bool compressed);

FileTime time_of(const statx_timestamp& time);
// What the kernel knows the creation time to be, or the earliest time it has.
FileTime birth_time(const struct statx& st);

struct PosixNode final : Node {
  PosixNode(UniqueFd descriptor, FileKey file_key)
      : fd(std::move(descriptor)), file_key_(file_key) {}
  FileKey key() const override { return file_key_; }

  const UniqueFd fd;  // O_PATH

 private:
  const FileKey file_key_;
};

// O_PATH descriptor of a Node made by this back end.
inline int descriptor_of(const std::shared_ptr<Node>& node) {
  return static_cast<const PosixNode&>(*node).fd.get();
}

}  // namespace braid::vfs
