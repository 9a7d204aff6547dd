#include "vfs/posix/system.h"

#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <ctime>
#include <mutex>

#include "runtime/identity.h"

namespace braid::vfs {
namespace {

// EAGAIN means that a rename or mount raced with the walk; it goes away.
constexpr int kRaceRetriesMax = 100;

constexpr unsigned kStatMask = STATX_BASIC_STATS | STATX_BTIME;

Kind kind_of(uint16_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return Kind::kDirectory;
    case S_IFLNK:
      return Kind::kSymlink;
    case S_IFIFO:
      return Kind::kFifo;
    case S_IFSOCK:
      return Kind::kSocket;
    case S_IFCHR:
      return Kind::kCharDevice;
    case S_IFBLK:
      return Kind::kBlockDevice;
    default:
      return Kind::kFile;
  }
}

uint32_t reparse_tag_of(Kind kind) {
  if (kind == Kind::kFile || kind == Kind::kDirectory) return 0;
  return kind == Kind::kSymlink ? kReparseTagSymlink : kReparseTagNfs;
}

// `get` is getxattr() of something.
template <class Get>
std::optional<DosAttrib> load_with(Get get) {
  std::array<uint8_t, kDosAttribSizeMax> value;
  const std::string name(kDosAttribName);
  ssize_t size = get(name.c_str(), value.data(), value.size());
  if (size < 0 && (errno == EACCES || errno == EPERM)) {
    const ScopedPrivilege privilege(Privilege::kNothingNew);
    if (!privilege.status()) return {};
    size = get(name.c_str(), value.data(), value.size());
  }
  if (size < 0) return {};
  const auto decoded = DosAttrib::decode({value.data(), static_cast<size_t>(size)});
  if (!decoded) return {};
  return *decoded;
}

constexpr uint64_t kStaysBelow = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

Result<UniqueFd> open_piece(int directory, const char* path, int flags, uint32_t mode) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = kStaysBelow;
  const char* name = *path == '\0' ? "." : path;
  for (int tries = 0;; ++tries) {
    const long fd = syscall(SYS_openat2, directory, name, &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if ((errno != EAGAIN && errno != EINTR) || tries >= kRaceRetriesMax) return fail_last_os();
  }
}

}  // namespace

bool is_among_descriptors = false;

bool go_among_descriptors() {
  is_among_descriptors = ::chdir("/proc/self/fd") == 0;
  return is_among_descriptors;
}

Result<UniqueFd> open_beneath(int directory, const std::string& path, int flags, uint32_t mode) {
  std::string_view rest = path;
  UniqueFd from;
  // The kernel takes no path of PATH_MAX bytes or more, and clients have longer ones.
  while (rest.size() >= PATH_MAX) {
    const size_t end = rest.rfind('/', PATH_MAX - 1);
    if (end == rest.npos || end == 0) return fail_os(ENAMETOOLONG);
    const std::string piece(rest.substr(0, end));
    BRAID_TRY(UniqueFd next,
              open_piece(directory, piece.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW, 0));
    from = std::move(next);
    directory = from.get();
    rest.remove_prefix(end + 1);
  }
  return open_piece(directory, rest.data(), flags, mode);  // up to the end of `path`
}

Result<UniqueFd> open_beneath_at_once(int directory, const std::string& path) {
  if (path.size() >= PATH_MAX) return fail_os(EAGAIN);
  open_how how{};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = kStaysBelow | RESOLVE_CACHED | RESOLVE_NO_XDEV;
  const long fd =
      syscall(SYS_openat2, directory, path.empty() ? "." : path.c_str(), &how, sizeof how);
  // Whatever stands in the way is told by who may wait; a kernel before 5.12 says EINVAL.
  if (fd < 0) return fail_os(EAGAIN);
  return UniqueFd(static_cast<int>(fd));
}

Result<UniqueFd> reopen(int fd, int flags) {
  const int opened = ::open(descriptor_path(fd).c_str(), flags | O_CLOEXEC);
  if (opened < 0) return fail_last_os();
  return UniqueFd(opened);
}

Result<UniqueFd> reopen_to_look(int fd) {
  BRAID_TRY(const struct statx st, stat_of(fd));
  if (!S_ISREG(st.stx_mode) && !S_ISDIR(st.stx_mode)) return fail_os(EOPNOTSUPP);
  return reopen(fd, O_RDONLY | O_NONBLOCK);
}

Result<struct statx> stat_of(int fd) {
  struct statx st;
  if (::statx(fd, "", AT_EMPTY_PATH, kStatMask, &st) != 0) return fail_last_os();
  return st;
}

Result<struct statx> stat_in(int directory, const std::string& name) {
  struct statx st;
  if (::statx(directory, name.c_str(), AT_SYMLINK_NOFOLLOW, kStatMask, &st) != 0) {
    return fail_last_os();
  }
  return st;
}

namespace {

// Of the file systems that several machines serve: few, and none is ever renamed.
struct NamedDevices {
  static constexpr size_t kMax = 64;
  struct One {
    std::atomic<uint64_t> device = 0;
    std::atomic<uint64_t> name = 0;
  };
  std::mutex adding;
  std::atomic<size_t> count = 0;
  std::array<One, kMax> all;
};
NamedDevices named_devices;

uint64_t name_of_device(uint64_t device) {
  const size_t count = named_devices.count.load(std::memory_order_acquire);
  for (size_t i = 0; i < count; ++i) {
    const auto& each = named_devices.all[i];
    if (each.device.load(std::memory_order_relaxed) == device) return each.name;
  }
  return device;
}

}  // namespace

bool name_device(uint64_t device, uint64_t name) {
  const std::lock_guard lock(named_devices.adding);
  const size_t count = named_devices.count;
  for (size_t i = 0; i < count; ++i) {
    if (named_devices.all[i].device == device) return named_devices.all[i].name == name;
  }
  if (count == NamedDevices::kMax) return false;
  named_devices.all[count].device = device;
  named_devices.all[count].name = name;
  named_devices.count.store(count + 1, std::memory_order_release);
  return true;
}

FileKey key_of(const struct statx& st) {
  return {name_of_device(makedev(st.stx_dev_major, st.stx_dev_minor)), st.stx_ino, 0};
}

bool has_swap() {
  static std::atomic<int64_t> looked_at = -1;
  static std::atomic<bool> found = true;
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  if (looked_at.exchange(now.tv_sec, std::memory_order_relaxed) != now.tv_sec) {
    struct sysinfo info{};
    found = ::sysinfo(&info) != 0 || info.totalswap != 0;
  }
  return found;
}

ssize_t getxattr_of(int fd, const char* name, void* into, size_t size) {
  const ssize_t got = ::fgetxattr(fd, name, into, size);
  if (got >= 0 || errno != EBADF) return got;
  return ::getxattr(descriptor_path(fd).c_str(), name, into, size);
}

ssize_t listxattr_of(int fd, char* into, size_t size) {
  const ssize_t got = ::flistxattr(fd, into, size);
  if (got >= 0 || errno != EBADF) return got;
  return ::listxattr(descriptor_path(fd).c_str(), into, size);
}

int setxattr_of(int fd, const char* name, ByteView value) {
  const int done = ::fsetxattr(fd, name, value.data(), value.size(), 0);
  if (done == 0 || errno != EBADF) return done;
  return ::setxattr(descriptor_path(fd).c_str(), name, value.data(), value.size(), 0);
}

std::optional<DosAttrib> load_dos_attrib(int fd) {
  return load_with([fd](const char* name, void* into, size_t size) {
    return getxattr_of(fd, name, into, size);
  });
}

std::optional<DosAttrib> load_dos_attrib_in(int directory, const std::string& name) {
  const std::string path = descriptor_path(directory) + "/" + name;
  return load_with([&path](const char* attribute, void* into, size_t size) {
    return ::lgetxattr(path.c_str(), attribute, into, size);
  });
}

Result<void> store_attribute(int fd, const std::string& name, ByteView value) {
  const auto store = [&] { return setxattr_of(fd, name.c_str(), value) == 0; };
  // Who sets an access list has a say in its mode bits, and that is the server.
  if (!name.starts_with("system.")) {
    const ScopedUser user;
    BRAID_CHECK(user.status());
    if (store()) return {};
    if (errno != EACCES && errno != EPERM) return fail_last_os();
  }
  if (!store()) return fail_last_os();
  return {};
}

Result<void> store_dos_attrib(int fd, const DosAttrib& attrib) {
  const Bytes value = attrib.encode();
  const std::string name(kDosAttribName);
  auto stored = [&] {
    const ScopedUser user;
    return user.status() ? store_attribute(fd, name, value) : user.status();
  }();
  if (!stored && (stored.error().is_os(EACCES) || stored.error().is_os(EPERM))) {
    const ScopedPrivilege privilege(Privilege::kNothingNew);
    BRAID_CHECK(privilege.status());
    stored = store_attribute(fd, name, value);
  }
  if (!stored && stored.error().is_os(EOPNOTSUPP)) return {};
  return stored;
}

Result<void> add_dos_attributes(int fd, const struct statx& st, uint32_t bits) {
  std::optional<DosAttrib> stored = load_dos_attrib(fd);
  if (stored && (stored->attributes & bits) == bits) return {};
  DosAttrib attrib = stored.value_or(DosAttrib{});
  attrib.attributes |= bits;
  if (!attrib.creation_time) attrib.creation_time = birth_time(st);
  return store_dos_attrib(fd, attrib);
}

Result<void> change_compression(int fd, bool compressed) {
  BRAID_TRY(const UniqueFd opened, reopen_to_look(fd));
  unsigned flags = 0;
  if (::ioctl(opened.get(), FS_IOC_GETFLAGS, &flags) != 0) {
    return fail_os(errno == ENOTTY ? EOPNOTSUPP : errno);
  }
  const unsigned wanted =
      compressed ? (flags & ~FS_NOCOMP_FL) | FS_COMPR_FL : flags & ~(FS_NOCOMP_FL | FS_COMPR_FL);
  if (wanted == flags) return {};
  if (::ioctl(opened.get(), FS_IOC_SETFLAGS, &wanted) != 0) return fail_last_os();
  return {};
}

FileTime time_of(const statx_timestamp& time) {
  return to_file_time({static_cast<time_t>(time.tv_sec), static_cast<long>(time.tv_nsec)});
}

FileTime birth_time(const struct statx& st) {
  if (st.stx_mask & STATX_BTIME) return time_of(st.stx_btime);
  return std::min({time_of(st.stx_atime), time_of(st.stx_mtime), time_of(st.stx_ctime)});
}

Attributes make_attributes(const struct statx& st, const std::optional<DosAttrib>& attrib) {
  Attributes out;
  out.key = key_of(st);
  out.kind = kind_of(st.stx_mode);
  out.nlink = st.stx_nlink;
  out.size = out.is_directory() ? 0 : st.stx_size;
  out.allocation_size = out.is_directory() ? 0 : st.stx_blocks * 512;
  out.creation_time = attrib && attrib->creation_time ? *attrib->creation_time : birth_time(st);
  if (st.stx_mask & STATX_BTIME) out.born = time_of(st.stx_btime);
  out.access_time = time_of(st.stx_atime);
  out.write_time = time_of(st.stx_mtime);
  out.change_time = out.changed = time_of(st.stx_ctime);
  if (attrib && attrib->change_time && out.change_time <= attrib->change_time->until) {
    out.change_time = attrib->change_time->time;
  }
  out.mode = st.stx_mode & 07777;
  out.uid = st.stx_uid;
  out.gid = st.stx_gid;
  out.device = makedev(st.stx_rdev_major, st.stx_rdev_minor);
  out.reparse_tag = reparse_tag_of(out.kind);
  if (attrib) out.dos_attributes = attrib->attributes & dos::kStored;
  if (st.stx_attributes & STATX_ATTR_COMPRESSED) out.dos_attributes |= dos::kCompressed;
  if (out.is_directory()) out.dos_attributes |= dos::kDirectory;
  if (out.reparse_tag != 0) out.dos_attributes |= dos::kReparsePoint;
  if (out.dos_attributes == 0) out.dos_attributes = dos::kNormal;
  return out;
}

Result<Attributes> attributes_of(int fd) {
  BRAID_TRY(const struct statx st, stat_of(fd));
  std::optional<DosAttrib> attrib;
  // Only files and directories can have user attributes.
  if (S_ISREG(st.stx_mode) || S_ISDIR(st.stx_mode)) attrib = load_dos_attrib(fd);
  return make_attributes(st, attrib);
}

}  // namespace braid::vfs
