#include "vfs/posix/posix_volume.h"

#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <optional>

#include "base/file_system.h"
#include "vfs/names.h"
#include "vfs/posix/backup_size.h"
#include "vfs/posix/linux_leases.h"
#include "vfs/posix/locate.h"
#include "vfs/posix/lookup.h"
#include "vfs/posix/name_claim.h"
#include "vfs/posix/posix_file.h"
#include "vfs/posix/posix_quotas.h"
#include "vfs/posix/posix_stream.h"
#include "vfs/posix/recycle_bin.h"
#include "vfs/posix/renaming.h"
#include "vfs/posix/space.h"
#include "vfs/posix/stream_names.h"
#include "vfs/posix/stream_store.h"
#include "vfs/posix/system.h"
#include "vfs/posix/unnamed.h"

namespace braid::vfs {
namespace {

// Previous versions that are open at a time: together they take as much as the share itself.
constexpr size_t kBelowMax = 32;

// File systems that open what the kernel knows without looking at a disk, and let the change time
// tell that an extended attribute is another: F2FS leaves it as it is. To open a file of an overlay
// may mean to copy it.
bool opens_at_once(long magic) {
  return is_of_one_kernel(magic) && magic != OVERLAYFS_SUPER_MAGIC && magic != F2FS_SUPER_MAGIC;
}

// ext4 keeps all attributes of a file in one block; streams must leave room there for the security
// descriptor. The kernel takes values of up to 64 KiB elsewhere.
size_t inline_stream_max_of(long magic) { return magic == EXT4_SUPER_MAGIC ? 1024 : 60 * 1024; }

// No device of a machine has such a number.
constexpr uint64_t kNamed = uint64_t{1} << 62;

// Asks the file system itself, with two files that have no names.
bool can_clone(int root) {
  const int flags = O_TMPFILE | O_RDWR | O_CLOEXEC;
  const UniqueFd from(::openat(root, ".", flags, 0600));
  const UniqueFd to(::openat(root, ".", flags, 0600));
  if (!from || !to || ::ftruncate(from.get(), 4096) != 0) return false;
  return ::ioctl(to.get(), FICLONE, from.get()) == 0;
}

Features features_of(int root, const struct statfs& fs, const struct statx& st,
                     bool wants_streams) {
  Features features;
  char none;
  features.xattrs =
      ::getxattr(descriptor_path(root).c_str(), "user.braid", &none, 0) >= 0 || errno == ENODATA;
  features.streams = features.xattrs && wants_streams;
  features.reflink = can_clone(root);
  features.sparse = true;
  features.leases = has_leases(root);
  features.at_once = opens_at_once(static_cast<long>(fs.f_type));
  // Others keep the flag and compress nothing.
  features.compression = static_cast<long>(fs.f_type) == BTRFS_SUPER_MAGIC;
  features.device = key_of(st).device;
  features.file_system_id.assign(reinterpret_cast<const char*>(&fs.f_fsid), sizeof fs.f_fsid);
  features.creation_time = birth_time(st);
  return features;
}

// For Parts::archive_at, of attributes that are some calls old: if ARCHIVE was ever taken away, the
// first write looks again.
std::optional<uint32_t> archive_known(const PosixContext& context, const Attributes& attributes) {
  if (!(attributes.dos_attributes & dos::kArchive)) return std::nullopt;
  if (context.archive_ends(attributes.key) != 0) return std::nullopt;
  return 0;
}

class PosixVolume final : public Volume {
 public:
  PosixVolume(PosixContextRef context, long magic)
      : context_(std::move(context)), quotas_(context_->root.get(), magic) {
    const uint64_t backups_max = context_->options.backups_max_bytes;
    if (backups_max != 0) backup_limit_.emplace(backups_max);
  }

  Result<Resolved> lookup(const Credentials& who, const Path& path,
                          const LookupOptions& options) override {
    BRAID_CHECK(assume(who));
    return posix_lookup(*context_, path, options);
  }
  Result<Attributes> glance(const Credentials& who, const Path& path) override {
    BRAID_CHECK(assume(who));
    return posix_glance(*context_, path);
  }
  Result<Located> locate(const Credentials& who, File& file) override {
    auto* const opened = dynamic_cast<PosixFile*>(&file);
    if (!opened) return fail_os(EOPNOTSUPP);
    BRAID_CHECK(assume(who));
    return posix_locate(*context_, opened->fd(), opened->key());
  }
  Result<Path> name_of(File& file) const override {
    const auto* const opened = dynamic_cast<PosixFile*>(&file);
    if (!opened) return fail_os(EOPNOTSUPP);
    return posix_name_of(*context_, opened->fd());
  }
  Result<std::unique_ptr<File>> open(const Credentials& who, const Found& found,
                                     const OpenHow& how) override;
  Result<std::unique_ptr<File>> create(const Credentials& who, const Missing& missing,
                                       const CreateHow& how) override;
  Result<Attributes> publish(const Credentials& who, const Missing& missing, File& file) override;
  Result<void> make_symlink(const Credentials& who, const Place& place,
                            std::string_view target) override;
  Result<void> replace(const Credentials& who, const Place& place, FileKey expected,
                       const Replacement& by) override;
  Result<void> rename(const Credentials& who, const Place& from, FileKey expected, const Place& to,
                      bool replace) override;
  Result<void> link(const Credentials& who, File& file, const Place& to, bool replace) override;
  Result<void> remove(const Credentials& who, const Place& place, FileKey expected) override;
  Result<bool> recycle(const Credentials& who, const Place& place, const Path& path,
                       FileKey expected) override;
  std::unique_ptr<Sweep> sweep_bin(FileTime before) override {
    return sweep_of_bin(*context_, *this, before);
  }
  Result<std::unique_ptr<File>> adopt(const Credentials& who, UniqueFd descriptor,
                                      const AdoptHow& how) override;
  Result<std::unique_ptr<Volume>> open_below(const Path& directory) override;
  Result<Space> space(const Credentials& who) override;
  Quotas* quotas() override { return &quotas_; }
  const Features& features() const override { return context_->features; }

 private:
  // Before a name is changed. EACCES for the server's own, which no name of a client's may be.
  Result<void> begin_change(const Place& place);
  // Holds what has the name now. ESTALE unless it is `expected`.
  static Result<UniqueFd> hold(const Place& place, FileKey expected);

  const PosixContextRef context_;
  PosixQuotas quotas_;
  std::optional<BackupLimit> backup_limit_;
};

Result<void> PosixVolume::begin_change(const Place& place) {
  if (!place.parent) return fail_os(EBUSY);  // the root itself
  if (context_->keeps_from_clients(place.name)) return fail_os(EACCES);
  context_->index.changed_name();
  return {};
}

Result<UniqueFd> PosixVolume::hold(const Place& place, FileKey expected) {
  BRAID_TRY(UniqueFd held,
            open_beneath(descriptor_of(place.parent), place.name, O_PATH | O_NOFOLLOW));
  BRAID_TRY(const struct statx st, stat_of(held.get()));
  if (key_of(st) != FileKey{expected.device, expected.inode, 0}) return fail_os(ESTALE);
  return held;
}

Result<std::unique_ptr<File>> PosixVolume::open(const Credentials& who, const Found& found,
                                                const OpenHow& how) {
  BRAID_CHECK(assume(how.was_granted ? server_credentials() : who));
  const int node = descriptor_of(found.node);
  const Kind kind = found.attributes.kind;
  const bool data = how.access.read || how.access.write;
  if (data && kind != Kind::kFile && kind != Kind::kDirectory) return fail_os(EACCES);

  PosixFile::Parts parts;
  parts.context = context_;
  parts.who = who;
  parts.access = how.access;
  parts.attributes = found.attributes;
  parts.archive_at = archive_known(*context_, found.attributes);
  parts.hide = context_->hides(found.place.name);
  if (!data || (kind == Kind::kDirectory && !how.access.read)) {
    parts.node = found.node;
  } else if (kind == Kind::kDirectory) {
    BRAID_TRY(parts.fd, reopen(node, O_RDONLY | O_DIRECTORY));
  } else {
    const int flags = !how.access.write ? O_RDONLY : how.access.read ? O_RDWR : O_WRONLY;
    // Without O_NONBLOCK, which means nothing else to a file, it would wait for who has a lease.
    if (how.truncate) {
      const LongHold hold(*context_, found.attributes.key);
      BRAID_TRY(parts.fd, reopen(node, flags | O_NONBLOCK | O_TRUNC));
    } else {
      BRAID_TRY(parts.fd, reopen(node, flags | O_NONBLOCK));
    }
  }
  return std::make_unique<PosixFile>(std::move(parts));
}

Result<std::unique_ptr<File>> PosixVolume::create(const Credentials& who, const Missing& missing,
                                                  const CreateHow& how) {
  BRAID_CHECK(assume(who));
  const Place& place = missing.place;
  BRAID_CHECK(begin_change(place));
  const int parent = descriptor_of(place.parent);
  // Most files are made at once, as an unnamed one costs three system calls more. Then nothing that
  // follows may be refused: to have been put down for a backup is all that they can do without.
  constexpr uint32_t kIsMissed = dos::kSettable & ~dos::kArchive;
  const bool is_unnamed = how.unnamed || (how.dos_attributes & kIsMissed) ||
                          (!how.compress && context_->features.compression);

  PosixFile::Parts parts;
  parts.context = context_;
  parts.who = who;
  parts.access = how.access;
  parts.hide = context_->hides(place.name);
  if (is_unnamed) {
    BRAID_TRY(NewFile made, make_unnamed(place.parent, how));
    parts.fd = std::move(made.fd);
    parts.unnamed = std::move(made.unnamed);
  } else {
    NameClaim claim(*context_, parent, place.parent->key(), place);
    BRAID_TRY(const auto other, claim.other());
    if (other) return fail_os(EEXIST);
    BRAID_TRY(parts.fd, past_stand_in({parent, place.name},
                                      [&] { return make_new(parent, place.name, how); }));
  }
  BRAID_TRY(struct statx st, stat_of(parts.fd.get()));
  if (!how.compress && (st.stx_attributes & STATX_ATTR_COMPRESSED)) {
    BRAID_CHECK(change_compression(parts.fd.get(), false));
    BRAID_TRY(st, stat_of(parts.fd.get()));
  }
  const uint32_t archive_ends = context_->archive_ends(key_of(st));
  DosAttrib attrib;
  attrib.attributes =
      (how.dos_attributes & dos::kSettable) | (how.directory ? dos::kDirectory : dos::kArchive);
  attrib.creation_time = birth_time(st);
  const auto stored = store_dos_attrib(parts.fd.get(), attrib);
  if (!stored && is_unnamed) return fail(stored.error());
  parts.attributes = make_attributes(st, stored ? std::optional(attrib) : std::nullopt);
  if (stored) parts.archive_at = archive_ends;
  auto file = std::make_unique<PosixFile>(std::move(parts));
  if (is_unnamed && !how.unnamed) BRAID_CHECK(publish(who, missing, *file));
  return file;
}

Result<Attributes> PosixVolume::publish(const Credentials& who, const Missing& missing,
                                        File& file) {
  auto* const made = dynamic_cast<PosixFile*>(&file);
  if (!made) return fail_os(EINVAL);
  BRAID_CHECK(assume(who));
  const Place& place = missing.place;
  BRAID_CHECK(begin_change(place));
  NameClaim claim(*context_, descriptor_of(place.parent), place.parent->key(), place);
  BRAID_TRY(const auto other, claim.other());
  if (other) return fail_os(EEXIST);
  return past_stand_in({descriptor_of(place.parent), place.name},
                       [&] { return made->take_name(place); });
}

Result<void> PosixVolume::make_symlink(const Credentials& who, const Place& place,
                                       std::string_view target) {
  BRAID_CHECK(assume(who));
  BRAID_CHECK(begin_change(place));
  if (is_stand_in(target)) return fail_os(EINVAL);
  if (::symlinkat(std::string(target).c_str(), descriptor_of(place.parent), place.name.c_str()) !=
      0) {
    return fail_last_os();
  }
  return {};
}

// With the rights of the thread's user, which for a device are the kernel's to know.
Result<void> make_without_data(int parent, const std::string& name, const Replacement& what) {
  const auto make_node = [&](mode_t type, dev_t device = 0) -> Result<void> {
    if (::mknodat(parent, name.c_str(), type | (what.mode & 0777), device) != 0) {
      return fail_last_os();
    }
    return {};
  };
  switch (what.kind) {
    case Kind::kSymlink:
      if (::symlinkat(what.target.c_str(), parent, name.c_str()) != 0) return fail_last_os();
      return {};
    case Kind::kFifo:
      return make_node(S_IFIFO);
    case Kind::kSocket:
      return make_node(S_IFSOCK);
    case Kind::kCharDevice:
      return make_node(S_IFCHR, what.device);
    case Kind::kBlockDevice:
      return make_node(S_IFBLK, what.device);
    case Kind::kFile: {
      BRAID_TRY(
          const UniqueFd file,
          open_beneath(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, what.mode & 0777));
      return {};
    }
    case Kind::kDirectory:
      break;
  }
  return fail_os(EINVAL);
}

// Made under a name of its own, then exchanged: whatever fails, the old file is still there.
Result<void> PosixVolume::replace(const Credentials& who, const Place& place, FileKey expected,
                                  const Replacement& by) {
  BRAID_CHECK(assume(who));
  BRAID_CHECK(begin_change(place));
  if (by.kind == Kind::kSymlink && is_stand_in(by.target)) return fail_os(EINVAL);
  BRAID_TRY(const UniqueFd old, hold(place, expected));
  BRAID_TRY(const struct statx st, stat_of(old.get()));
  const int parent = descriptor_of(place.parent);
  const std::string made = unfinished_name();
  BRAID_CHECK(make_without_data(parent, made, by));
  const auto exchange = [&] {
    return ::renameat2(parent, made.c_str(), parent, place.name.c_str(), RENAME_EXCHANGE) == 0;
  };
  if (!exchange()) {
    const int error = errno;
    ::unlinkat(parent, made.c_str(), 0);
    return fail_os(error == EINVAL ? EOPNOTSUPP : error);
  }
  // `made` is the name of what was in the place now.
  const bool is_directory = S_ISDIR(st.stx_mode);
  int error = 0;
  if (const auto taken = stat_in(parent, made); !taken || key_of(*taken) != key_of(st)) {
    error = ESTALE;
  } else if (::unlinkat(parent, made.c_str(), is_directory ? AT_REMOVEDIR : 0) != 0) {
    error = errno == EEXIST ? ENOTEMPTY : errno;
  }
  if (error != 0) {
    if (exchange()) ::unlinkat(parent, made.c_str(), 0);
    return fail_os(error);
  }
  if (is_directory || (st.stx_nlink == 1 && S_ISREG(st.stx_mode))) {
    remove_side_files(*context_, old.get());
  }
  return {};
}

// What a new name takes the place of, if that is the last name of a file: with it go the side files
// of its streams.
class Victim {
 public:
  // `target`: null when the name is free.
  Victim(int parent, const std::string& name, const struct statx* target) {
    if (!target || target->stx_nlink != 1 || !S_ISREG(target->stx_mode)) return;
    auto opened = open_beneath(parent, name, O_PATH | O_NOFOLLOW);
    if (opened) fd_ = *std::move(opened);
  }
  void unlinked(PosixContext& context) {
    if (fd_) remove_side_files(context, fd_.get());
  }

 private:
  UniqueFd fd_;
};

Result<void> PosixVolume::rename(const Credentials& who, const Place& from, FileKey expected,
                                 const Place& to, bool replace) {
  BRAID_CHECK(assume(who));
  BRAID_CHECK(begin_change(from));
  BRAID_CHECK(begin_change(to));
  BRAID_TRY(const UniqueFd held, hold(from, expected));
  const int old_parent = descriptor_of(from.parent);
  const int new_parent = descriptor_of(to.parent);
  BRAID_TRY(const struct statx st, stat_of(held.get()));
  std::optional<NameClaim> claim(std::in_place, *context_, new_parent, to.parent->key(), to);
  BRAID_TRY(const auto other, claim->other());
  // Itself, if only the case of it changes.
  if (other && (*other != from.name || from.parent->key() != to.parent->key())) {
    return fail_os(EEXIST);
  }

  if (replace) {
    const auto target = stat_in(new_parent, to.name);
    const bool same_name = from.name == to.name && from.parent->key() == to.parent->key();
    if (target && key_of(*target) == key_of(st) && !same_name) {
      // rename() leaves both names of one file alone; a client expects the old one to go.
      if (::unlinkat(old_parent, from.name.c_str(), 0) != 0) return fail_last_os();
      return {};
    }
    Victim victim(new_parent, to.name, target ? &*target : nullptr);
    if (::renameat(old_parent, from.name.c_str(), new_parent, to.name.c_str()) != 0) {
      return fail_last_os();
    }
    claim.reset();
    victim.unlinked(*context_);
  } else {
    BRAID_CHECK(rename_to_free(*context_, {old_parent, from.name}, {new_parent, to.name},
                               S_ISDIR(st.stx_mode)));
  }
  claim.reset();
  if (!S_ISREG(st.stx_mode)) return {};
  // The name is the new one, whatever becomes of the attribute.
  const MetadataLock lock(*context_, key_of(st));
  (void)add_dos_attributes(held.get(), st, dos::kArchive);
  return {};
}

Result<void> PosixVolume::link(const Credentials& who, File& file, const Place& to, bool replace) {
  BRAID_CHECK(assume(who));
  BRAID_CHECK(begin_change(to));
  auto* target = dynamic_cast<PosixFile*>(&file);
  if (!target) return fail_os(EINVAL);
  if (target->is_directory()) return fail_os(EISDIR);
  const int parent = descriptor_of(to.parent);
  const std::string path = descriptor_path(target->fd());
  const auto link_as = [&](const std::string& name) {
    return ::linkat(AT_FDCWD, path.c_str(), parent, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
  };
  {
    NameClaim claim(*context_, parent, to.parent->key(), to);
    BRAID_TRY(const auto other, claim.other());
    if (other) return fail_os(EEXIST);
    const auto linked = past_stand_in(
        {parent, to.name}, [&] { return link_as(to.name) ? Result<void>() : fail_last_os(); });
    if (linked || !linked.error().is_os(EEXIST) || !replace) return linked;
  }
  BRAID_TRY(const struct statx taken, stat_in(parent, to.name));
  if (S_ISDIR(taken.stx_mode)) return fail_os(EISDIR);
  const FileKey key = target->key();
  if (key_of(taken) == key) return {};
  const std::string temporary = unfinished_name();
  Victim victim(parent, to.name, &taken);
  if (!link_as(temporary)) return fail_last_os();
  if (::renameat(parent, temporary.c_str(), parent, to.name.c_str()) != 0) {
    const int error = errno;
    ::unlinkat(parent, temporary.c_str(), 0);
    return fail_os(error);
  }
  victim.unlinked(*context_);
  return {};
}

Result<void> PosixVolume::remove(const Credentials& who, const Place& place, FileKey expected) {
  BRAID_CHECK(assume(who));
  BRAID_CHECK(begin_change(place));
  BRAID_TRY(const UniqueFd held, hold(place, expected));
  BRAID_TRY(const struct statx st, stat_of(held.get()));
  const bool directory = S_ISDIR(st.stx_mode);
  const bool last = directory || st.stx_nlink == 1;
  const auto unlink = [&place, directory] {
    const int flags = directory ? AT_REMOVEDIR : 0;
    if (::unlinkat(descriptor_of(place.parent), place.name.c_str(), flags) == 0) return 0;
    return errno == EEXIST ? ENOTEMPTY : errno;
  };
  int error = unlink();
  if (error == ENOTEMPTY && directory && remove_leftovers(held.get())) error = unlink();
  if (error != 0) return fail_os(error);
  if (last && (directory || S_ISREG(st.stx_mode))) remove_side_files(*context_, held.get());
  return {};
}

Result<bool> PosixVolume::recycle(const Credentials& who, const Place& place, const Path& path,
                                  FileKey expected) {
  BRAID_CHECK(assume(who));
  BRAID_CHECK(begin_change(place));
  return move_to_bin(*context_, who, place, path, expected);
}

Result<std::unique_ptr<File>> PosixVolume::adopt(const Credentials& who, UniqueFd descriptor,
                                                 const AdoptHow& how) {
  BRAID_CHECK(assume(who));
  PosixFile::Parts parts;
  parts.context = context_;
  parts.who = who;
  parts.fd = std::move(descriptor);
  parts.hide = context_->hides(to_disk(how.name));
  BRAID_TRY(parts.attributes, attributes_of(parts.fd.get()));
  if (!how.stream.empty()) {
    // As PosixFile::open_stream() makes it.
    parts.access.write = how.writable;
    const int base_fd = parts.fd.get();
    FileKey stream = parts.attributes.key;
    stream.stream = stream_key(how.stream);
    auto name = StreamNames::of_process().of(stream, how.stream);
    auto base = std::make_unique<PosixFile>(std::move(parts));
    return std::make_unique<PosixStream>(context_, who, std::move(base), base_fd, std::move(name),
                                         how.writable);
  }
  parts.archive_at = archive_known(*context_, parts.attributes);
  const int flags = ::fcntl(parts.fd.get(), F_GETFL);
  if (flags < 0) return fail_last_os();
  if (!(flags & O_PATH)) {
    parts.access.read = (flags & O_ACCMODE) != O_WRONLY;
    parts.access.write = (flags & O_ACCMODE) != O_RDONLY;
  }
  return std::make_unique<PosixFile>(std::move(parts));
}

// A volume whose root is what `fd`, an O_PATH descriptor, holds. REQUIRES the server's identity.
Result<std::unique_ptr<Volume>> make_volume(UniqueFd fd, const PosixOptions& options,
                                            bool is_share = true) {
  BRAID_TRY(const UniqueFd probe, open_beneath(fd.get(), "", O_PATH | O_DIRECTORY));
  BRAID_TRY(const struct statx st, stat_of(fd.get()));
  if (is_share && options.device_name != 0) {
    const uint64_t device = makedev(st.stx_dev_major, st.stx_dev_minor);
    if (!name_device(device, kNamed | options.device_name)) return fail_os(EEXIST);
  }
  struct statfs fs{};
  if (::fstatfs(fd.get(), &fs) != 0) return fail_last_os();
  const auto magic = static_cast<long>(fs.f_type);
  const Features features = features_of(fd.get(), fs, st, options.streams);
  auto context = std::make_shared<PosixContext>(
      std::move(fd), key_of(st), options,
      is_of_one_kernel(magic) ? NameIndex::Events::kTrusted : NameIndex::Events::kIgnored);
  context->features = features;
  context->features.follows_links = options.follow_links;
  context->looks_in_other_shares = is_share;
  context->inline_stream_max = inline_stream_max_of(magic);
  context->counts_attribute_block = magic == EXT4_SUPER_MAGIC || magic == XFS_SUPER_MAGIC;
  context->block_size = static_cast<uint64_t>(fs.f_bsize);
  context->is_in_memory = magic == TMPFS_MAGIC;
  return std::make_unique<PosixVolume>(std::move(context), magic);
}

Result<std::unique_ptr<Volume>> PosixVolume::open_below(const Path& directory) {
  BRAID_CHECK(assume(server_credentials()));
  std::string path;
  for (const std::string_view name : directory.components()) {
    if (!path.empty()) path += '/';
    path += name;
  }
  BRAID_TRY(UniqueFd fd, open_beneath(context_->root.get(), path, O_PATH | O_DIRECTORY));
  PosixOptions options = context_->options;
  options.index_bytes_max /= kBelowMax;
  return make_volume(std::move(fd), options, false);
}

Result<Space> PosixVolume::space(const Credentials& who) {
  BRAID_CHECK(assume(who));
  BRAID_TRY(const UniqueFd root, open_beneath(context_->root.get(), "", O_PATH | O_DIRECTORY));
  BRAID_TRY(Space space, space_of(root.get()));
  if (backup_limit_) BRAID_CHECK(backup_limit_->apply(root.get(), space));
  return space;
}

}  // namespace

Result<std::unique_ptr<Volume>> open_posix_volume(UniqueFd root, const PosixOptions& options) {
  BRAID_CHECK(assume(server_credentials()));
  return make_volume(std::move(root), options);
}

Result<std::unique_ptr<Volume>> open_posix_volume(const std::string& root,
                                                  const PosixOptions& options) {
  BRAID_CHECK(assume(server_credentials()));
  // Links in the configured path are the administrator's.
  UniqueFd fd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_last_os();
  return make_volume(std::move(fd), options);
}

}  // namespace braid::vfs
