#include "vfs/posix/side_file.h"

#include <sys/random.h>
#include <unistd.h>

#include "vfs/posix/known_roots.h"

namespace braid::vfs {
namespace {

// "ab/cdef...": 256 folders keep each of them short.
std::string side_path(const SideId& id) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string path;
  for (size_t i = 0; i < id.size(); ++i) {
    if (i == 1) path += '/';
    path += kDigits[id[i] >> 4];
    path += kDigits[id[i] & 15];
  }
  return path;
}

// `fd` may be an O_PATH descriptor.
Result<void> sync_folder(int fd) {
  BRAID_TRY(const UniqueFd folder, reopen(fd, O_RDONLY | O_DIRECTORY));
  if (::fsync(folder.get()) != 0) return fail_last_os();
  return {};
}

// Opens a folder of ours, making it when asked to.
Result<UniqueFd> folder(int parent, const std::string& name, bool make) {
  if (make) {
    if (::mkdirat(parent, name.c_str(), 0700) == 0) {
      BRAID_CHECK(sync_folder(parent));
    } else if (errno != EEXIST) {
      return fail_last_os();
    }
  }
  return open_beneath(parent, name, O_RDONLY | O_DIRECTORY);
}

Result<UniqueFd> streams_folder(int root, bool make) {
  BRAID_TRY(const UniqueFd own, folder(root, std::string(kPrivateFolder), make));
  return folder(own.get(), "streams", make);
}

// Opens `path` in the private folder below `root`.
Result<void> open_below(int root, const std::string& path, Side& side) {
  BRAID_TRY(side.store, streams_folder(root, false));
  auto opened = open_beneath(side.store.get(), path, O_RDWR | O_NOFOLLOW);
  if (!opened && opened.error().is_os(EROFS)) {
    side.is_read_only = true;
    opened = open_beneath(side.store.get(), path, O_RDONLY | O_NOFOLLOW);
  }
  // A link there is damage, and none of those that clients hear of.
  if (!opened && opened.error().is_os(ELOOP)) return fail_os(EIO);
  BRAID_TRY(side.file, std::move(opened));
  return {};
}

Result<void> open_in_other_shares(const PosixContext& context, const std::string& path,
                                  Side& side) {
  Error why = Error::os(ENOENT);
  for (const KnownRoot& known : known_roots()) {
    const auto root = open_known_root(known, context.root.get(), key_of(side.file_now).device);
    if (!root) continue;  // that share is absent, or none of its files can be here
    const auto opened = open_below(root->get(), path, side);
    if (opened) {
      prefer_known_root(known);
      return {};
    }
    if (!opened.error().is_os(ENOENT)) why = opened.error();
  }
  return fail(why);
}

Claim claim_of(const FoundMarker& found, int side, const struct statx& file,
               const struct statx& side_file) {
  const bool same_owner = file.stx_uid == side_file.stx_uid;
  // On a file that others may write they can have put the marker there, also with the id of
  // another side file of the same owner.
  const bool is_owners = same_owner && !(file.stx_mode & (S_IWGRP | S_IWOTH));
  const Claim otherwise = found.is_trusted || is_owners ? Claim::kCopy : Claim::kOther;
  const auto value = get_attribute(side, kBaseName);
  if (!value) {
    // Made before side files named their file.
    if (found.marker.inode != file.stx_ino) return otherwise;
    return found.is_trusted || is_owners ? Claim::kOwn : Claim::kOther;
  }
  const auto base = Base::decode(*value);
  if (!base || *base != Base::of(file)) return otherwise;
  return base->birth_ns != 0 || same_owner || found.is_trusted ? Claim::kOwn : otherwise;
}

}  // namespace

Result<UniqueFd> new_side_file(PosixContext& context, SideId& id, const struct statx& owner) {
  if (::getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    return fail_last_os();
  }
  BRAID_TRY(const UniqueFd streams, streams_folder(context.root.get(), true));
  const std::string path = side_path(id);
  BRAID_TRY(const UniqueFd bucket, folder(streams.get(), path.substr(0, 2), true));
  BRAID_TRY(UniqueFd file, open_beneath(bucket.get(), path.substr(3),
                                        O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  auto named = set_attribute(file.get(), kBaseName, Base::of(owner).encode());
  // So that it counts for the quota of the file's owner; without the right to, it stays ours.
  if (named && ::fchown(file.get(), owner.stx_uid, owner.stx_gid) != 0 && errno != EPERM) {
    named = fail_last_os();
  }
  if (!named) {
    ::unlinkat(bucket.get(), path.c_str() + 3, 0);
    return fail(named.error());
  }
  return file;
}

Result<void> settle_on_disk(PosixContext& context, int side, const SideId& id) {
  if (context.options.sync(side) != 0) return fail_last_os();
  BRAID_TRY(const UniqueFd streams, streams_folder(context.root.get(), false));
  BRAID_TRY(const UniqueFd bucket, folder(streams.get(), side_path(id).substr(0, 2), false));
  return sync_folder(bucket.get());
}

void remove_side_file(PosixContext& context, const SideId& id) {
  const auto streams = streams_folder(context.root.get(), false);
  if (streams) ::unlinkat(streams->get(), side_path(id).c_str(), 0);
}

void remove_side_file(const Side& side) {
  ::unlinkat(side.store.get(), side_path(side.found.marker.id).c_str(), 0);
}

Result<Side> find_side(PosixContext& context, int fd, const std::string& name) {
  Side side;
  BRAID_TRY(side.found, load_marker(fd, name));
  BRAID_TRY(side.file_now, stat_of(fd));
  const std::string path = side_path(side.found.marker.id);
  auto opened = open_below(context.root.get(), path, side);
  if (!opened && opened.error().is_os(ENOENT) && context.looks_in_other_shares) {
    opened = open_in_other_shares(context, path, side);
  }
  if (!opened && opened.error().is_os(ENOENT)) return fail(kLost);
  BRAID_CHECK(opened);
  BRAID_TRY(side.side_now, stat_of(side.file.get()));
  side.claim = claim_of(side.found, side.file.get(), side.file_now, side.side_now);
  if (side.claim == Claim::kOther) return fail_os(ENOENT);
  return side;
}

void settle(int fd, const std::string& name, const Side& side) {
  if (!get_attribute(side.file.get(), kBaseName)) {
    (void)set_attribute(side.file.get(), kBaseName, Base::of(side.file_now).encode());
  }
  if (side.side_now.stx_uid != side.file_now.stx_uid) {
    (void)!::fchown(side.file.get(), side.file_now.stx_uid, side.file_now.stx_gid);
  }
  if (!side.found.is_trusted && can_switch_identity()) {
    (void)store_marker(fd, name, side.found.marker);
  }
}

}  // namespace braid::vfs
