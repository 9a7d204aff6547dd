#include "vfs/posix/stream_store.h"

#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>

#include "runtime/identity.h"
#include "vfs/names.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::vfs {
namespace {

constexpr std::string_view kInlinePrefix = "user.DosStream.";
constexpr std::string_view kInlineSuffix = ":$DATA";
constexpr std::string_view kTrustedPrefix = "trusted.braid.stream.";
constexpr std::string_view kSidePrefix = "user.braid.stream.";
constexpr const char* kBaseName = "user.braid.base";
constexpr uint8_t kVersion = 1;

using SideId = std::array<uint8_t, 16>;

struct Marker {
  uint64_t inode = 0;
  SideId id{};

  static Result<Marker> decode(ByteView bytes) {
    wire::Reader r(bytes);
    Marker marker;
    r.expect(r.u8() == kVersion);
    r.skip(7);
    marker.inode = r.u64();
    const ByteView id = r.bytes(marker.id.size());
    if (r.ok()) std::copy(id.begin(), id.end(), marker.id.begin());
    return r.finish(marker);
  }
  Bytes encode() const {
    Bytes out;
    wire::Writer w(out);
    w.u8(kVersion);
    w.zeros(7);
    w.u64(inode);
    w.bytes(id);
    return out;
  }
};

// Which file a side file belongs to.
struct Base {
  uint64_t inode = 0;
  uint64_t birth_ns = 0;  // 0: the file system keeps none
  bool operator==(const Base&) const = default;

  static Base of(const struct statx& st) {
    constexpr uint64_t kSecond = 1'000'000'000;
    if (!(st.stx_mask & STATX_BTIME)) return {st.stx_ino, 0};
    return {st.stx_ino,
            static_cast<uint64_t>(st.stx_btime.tv_sec) * kSecond + st.stx_btime.tv_nsec};
  }
  static Result<Base> decode(ByteView bytes) {
    wire::Reader r(bytes);
    r.expect(r.u8() == kVersion);
    r.skip(7);
    Base base;
    base.inode = r.u64();
    base.birth_ns = r.u64();
    return r.finish(base);
  }
  Bytes encode() const {
    Bytes out;
    wire::Writer w(out);
    w.u8(kVersion);
    w.zeros(7);
    w.u64(inode);
    w.u64(birth_ns);
    return out;
  }
};

std::string inline_name(const std::string& stream) {
  return std::string(kInlinePrefix) + stream + std::string(kInlineSuffix);
}
std::string trusted_name(const std::string& stream) { return std::string(kTrustedPrefix) + stream; }
std::string side_name(const std::string& stream) { return std::string(kSidePrefix) + stream; }

Result<Bytes> get(int fd, const std::string& name) {
  const std::string path = descriptor_path(fd);
  const ssize_t size = ::getxattr(path.c_str(), name.c_str(), nullptr, 0);
  if (size < 0) return fail_os(errno == ENODATA ? ENOENT : errno);
  Bytes value(static_cast<size_t>(size));
  const ssize_t got = ::getxattr(path.c_str(), name.c_str(), value.data(), value.size());
  if (got < 0) return fail_os(errno == ENODATA ? ENOENT : errno);
  value.resize(static_cast<size_t>(got));
  return value;
}

Result<void> set(int fd, const std::string& name, ByteView value) {
  if (::setxattr(descriptor_path(fd).c_str(), name.c_str(), value.data(), value.size(), 0) == 0) {
    return {};
  }
  // A name too long for an attribute is ERANGE, a value too large one of the others.
  if (name.size() > XATTR_NAME_MAX) return fail_os(ENAMETOOLONG);
  return fail_os(errno == E2BIG || errno == ERANGE ? ENOSPC : errno);
}

Result<void> drop(int fd, const std::string& name) {
  if (::removexattr(descriptor_path(fd).c_str(), name.c_str()) == 0) return {};
  return fail_os(errno == ENODATA ? ENOENT : errno);
}

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

// Opens a folder of ours, making it when asked to.
Result<Descriptor> folder(int parent, const std::string& name, bool make) {
  if (make && ::mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST) return fail_last_os();
  return open_beneath(parent, name, O_RDONLY | O_DIRECTORY);
}

Result<Descriptor> streams_folder(PosixContext& context, bool make) {
  BRAID_TRY(const Descriptor own, folder(context.root.get(), std::string(kPrivateFolder), make));
  return folder(own.get(), "streams", make);
}

Result<Descriptor> new_side_file(PosixContext& context, SideId& id, const struct statx& owner) {
  if (::getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    return fail_last_os();
  }
  BRAID_TRY(const Descriptor streams, streams_folder(context, true));
  const std::string path = side_path(id);
  BRAID_TRY(const Descriptor bucket, folder(streams.get(), path.substr(0, 2), true));
  BRAID_TRY(Descriptor file, open_beneath(bucket.get(), path.substr(3),
                                          O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  auto named = set(file.get(), kBaseName, Base::of(owner).encode());
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

void remove_side_file(PosixContext& context, const SideId& id) {
  // One left behind takes space and does no other harm.
  const auto streams = streams_folder(context, false);
  if (streams) ::unlinkat(streams->get(), side_path(id).c_str(), 0);
}

Result<void> copy_file(int from, int to, const Credentials& who) {
  const ScopedUser user(who);
  BRAID_CHECK(user.status());
  off_t at = 0;
  for (;;) {
    const ssize_t copied = ::sendfile(to, from, &at, 1 << 20);
    if (copied < 0) return fail_last_os();
    if (copied == 0) return {};
  }
}

struct FoundMarker {
  Marker marker;
  bool is_trusted = false;  // only root can have put it there
};

Result<FoundMarker> load_marker(int fd, const std::string& name) {
  FoundMarker found;
  auto value = get(fd, trusted_name(name));
  found.is_trusted = value.has_value();
  if (!value) value = get(fd, side_name(name));
  if (!value) return fail(value.error());
  const auto marker = Marker::decode(*value);
  if (!marker) return fail_os(ENOENT);
  found.marker = *marker;
  return found;
}

Result<void> drop_marker(int fd, const std::string& name) {
  const auto trusted = drop(fd, trusted_name(name));
  const auto plain = drop(fd, side_name(name));
  return trusted ? trusted : plain;
}

// Those of a name that leads nowhere, however it is spelled.
Result<void> drop_markers(int fd, std::string_view name) {
  BRAID_TRY(const std::vector<StreamRef> streams, list_streams(fd));
  for (const StreamRef& stream : streams) {
    if (stream.side && equal_folded(stream.name, name)) BRAID_CHECK(drop_marker(fd, stream.name));
  }
  return {};
}

Result<void> store_marker(int fd, const std::string& name, const Marker& marker) {
  const Bytes value = marker.encode();
  if (can_switch_identity()) {
    auto stored = set(fd, trusted_name(name), value);
    if (stored) (void)drop(fd, side_name(name));
    if (stored || !(stored.error().is_os(EPERM) || stored.error().is_os(EOPNOTSUPP))) return stored;
  }
  return set(fd, side_name(name), value);
}

// What a side file is to the file that names it.
enum class Claim : uint8_t {
  kOwn,
  kCopy,   // of the file it belongs to: may be read
  kOther,  // not its business
};

Claim claim_of(const FoundMarker& found, int side, const struct statx& file,
               const struct statx& side_file) {
  const bool same_owner = file.stx_uid == side_file.stx_uid;
  // On a file that others may write they can have put the marker there.
  const bool is_owners = same_owner && !(file.stx_mode & (S_IWGRP | S_IWOTH));
  const Claim otherwise = found.is_trusted || is_owners ? Claim::kCopy : Claim::kOther;
  const auto value = get(side, kBaseName);
  if (!value) {
    // Made before side files named their file.
    if (found.marker.inode != file.stx_ino) return otherwise;
    return found.is_trusted || same_owner ? Claim::kOwn : Claim::kOther;
  }
  const auto base = Base::decode(*value);
  if (!base || *base != Base::of(file)) return otherwise;
  return base->birth_ns != 0 || same_owner || found.is_trusted ? Claim::kOwn : otherwise;
}

struct Side {
  Descriptor file;
  struct statx file_now;  // of what it belongs to
  struct statx side_now;
  FoundMarker found;
  Claim claim = Claim::kOther;
  bool is_read_only = false;
};

// ENOENT when it is lost, or another's.
Result<Side> find_side(PosixContext& context, int fd, const std::string& name) {
  Side side;
  BRAID_TRY(side.found, load_marker(fd, name));
  BRAID_TRY(const Descriptor streams, streams_folder(context, false));
  const std::string path = side_path(side.found.marker.id);
  auto opened = open_beneath(streams.get(), path, O_RDWR | O_NOFOLLOW);
  if (!opened && opened.error().is_os(EROFS)) {
    side.is_read_only = true;
    opened = open_beneath(streams.get(), path, O_RDONLY | O_NOFOLLOW);
  }
  BRAID_TRY(side.file, std::move(opened));
  BRAID_TRY(side.file_now, stat_of(fd));
  BRAID_TRY(side.side_now, stat_of(side.file.get()));
  side.claim = claim_of(side.found, side.file.get(), side.file_now, side.side_now);
  if (side.claim == Claim::kOther) return fail_os(ENOENT);
  return side;
}

// Brings what is kept of a side file up to date: files made before it was kept, and new owners.
void settle(int fd, const std::string& name, const Side& side) {
  if (!get(side.file.get(), kBaseName)) {
    (void)set(side.file.get(), kBaseName, Base::of(side.file_now).encode());
  }
  if (side.side_now.stx_uid != side.file_now.stx_uid) {
    (void)!::fchown(side.file.get(), side.file_now.stx_uid, side.file_now.stx_gid);
  }
  if (!side.found.is_trusted && can_switch_identity()) {
    (void)store_marker(fd, name, side.found.marker);
  }
}

}  // namespace

Result<std::vector<StreamRef>> list_streams(int fd) {
  const std::string path = descriptor_path(fd);
  std::string names;
  const ssize_t size = ::listxattr(path.c_str(), nullptr, 0);
  if (size < 0 && errno == EOPNOTSUPP) return std::vector<StreamRef>();
  if (size < 0) return fail_last_os();
  names.resize(static_cast<size_t>(size));
  const ssize_t got = ::listxattr(path.c_str(), names.data(), names.size());
  if (got < 0) return fail_last_os();
  names.resize(static_cast<size_t>(got));
  std::vector<StreamRef> out;
  for (size_t at = 0; at < names.size();) {
    std::string_view name = names.c_str() + at;
    at += name.size() + 1;
    const bool is_trusted = name.starts_with(kTrustedPrefix);
    if (is_trusted || name.starts_with(kSidePrefix)) {
      name.remove_prefix(is_trusted ? kTrustedPrefix.size() : kSidePrefix.size());
      const bool is_known = std::ranges::any_of(
          out, [&](const StreamRef& other) { return other.side && other.name == name; });
      if (!is_known) out.push_back({std::string(name), true});
    } else if (name.starts_with(kInlinePrefix) && name.ends_with(kInlineSuffix) &&
               name.size() > kInlinePrefix.size() + kInlineSuffix.size()) {
      name.remove_prefix(kInlinePrefix.size());
      name.remove_suffix(kInlineSuffix.size());
      out.push_back({std::string(name), false});
    }
  }
  return out;
}

Result<StreamRef> find_stream(PosixContext& context, int fd, std::string_view name) {
  BRAID_TRY(std::vector<StreamRef> streams, list_streams(fd));
  for (StreamRef& stream : streams) {
    if (!equal_folded(stream.name, name)) continue;
    if (!stream.side) return std::move(stream);
    const auto side = find_side(context, fd, stream.name);
    if (side) return std::move(stream);
    if (!side.error().is_os(ENOENT)) return fail(side.error());
  }
  return fail_os(ENOENT);
}

Result<void> create_stream(int fd, const std::string& name) {
  BRAID_CHECK(drop_markers(fd, name));
  return set(fd, inline_name(name), Bytes{0});
}

Result<Bytes> load_inline(int fd, const std::string& name) {
  BRAID_TRY(Bytes value, get(fd, inline_name(name)));
  if (!value.empty()) value.pop_back();
  return value;
}

Result<void> store_inline(PosixContext& context, int fd, const std::string& name, ByteView bytes) {
  if (bytes.size() > context.inline_stream_max) return fail_os(ENOSPC);
  Bytes value(bytes.begin(), bytes.end());
  value.push_back(0);
  return set(fd, inline_name(name), value);
}

Result<Descriptor> open_side(PosixContext& context, int fd, const std::string& name,
                             const Credentials& who) {
  BRAID_TRY(Side side, find_side(context, fd, name));
  // In a snapshot nothing is written, and what a copied file names is as good as a copy.
  if (side.is_read_only) return std::move(side.file);
  if (side.claim == Claim::kOwn) {
    settle(fd, name, side);
    return std::move(side.file);
  }
  Marker marker{.inode = side.file_now.stx_ino};
  BRAID_TRY(Descriptor own, new_side_file(context, marker.id, side.file_now));
  auto done = copy_file(side.file.get(), own.get(), who);
  if (done) done = store_marker(fd, name, marker);
  if (!done) {
    remove_side_file(context, marker.id);
    return fail(done.error());
  }
  return own;
}

Result<Descriptor> move_to_side(PosixContext& context, int fd, const std::string& name,
                                const Credentials& who) {
  BRAID_TRY(const Bytes content, load_inline(fd, name));
  BRAID_TRY(const struct statx st, stat_of(fd));
  Marker marker{.inode = st.stx_ino};
  BRAID_TRY(Descriptor side, new_side_file(context, marker.id, st));
  const auto fill = [&]() -> Result<void> {
    const ScopedUser user(who);
    BRAID_CHECK(user.status());
    const ssize_t put = ::pwrite(side.get(), content.data(), content.size(), 0);
    if (put < 0) return fail_last_os();
    return put == static_cast<ssize_t>(content.size()) ? Result<void>() : fail_os(ENOSPC);
  };
  // First the attribute goes: it may hold the room that the marker needs. Should the marker not
  // fit, the attribute is put back.
  auto done = fill();
  if (done) done = drop(fd, inline_name(name));
  if (done) {
    done = store_marker(fd, name, marker);
    if (!done) BRAID_CHECK(store_inline(context, fd, name, content));
  }
  if (!done) {
    remove_side_file(context, marker.id);
    return fail(done.error());
  }
  return side;
}

Result<uint64_t> stream_size(PosixContext& context, int fd, const StreamRef& stream) {
  if (!stream.side) {
    const ssize_t size =
        ::getxattr(descriptor_path(fd).c_str(), inline_name(stream.name).c_str(), nullptr, 0);
    if (size < 0) return fail_os(errno == ENODATA ? ENOENT : errno);
    return size > 0 ? static_cast<uint64_t>(size - 1) : 0;
  }
  BRAID_TRY(const Side side, find_side(context, fd, stream.name));
  return static_cast<uint64_t>(side.side_now.stx_size);
}

Result<void> remove_stream(PosixContext& context, int fd, const StreamRef& stream) {
  if (!stream.side) return drop(fd, inline_name(stream.name));
  const auto side = find_side(context, fd, stream.name);
  BRAID_CHECK(drop_marker(fd, stream.name));
  // What belongs to another file, or is lost already, is not ours to delete.
  if (side && side->claim == Claim::kOwn) remove_side_file(context, side->found.marker.id);
  return {};
}

Result<void> rename_stream(PosixContext& context, int fd, const StreamRef& from,
                           const std::string& to, const Credentials& who) {
  if (from.name == to) return {};
  if (!equal_folded(from.name, to)) BRAID_CHECK(drop_markers(fd, to));
  if (from.side) {
    // First it becomes the file's own: a marker that was only claimed would be believed later.
    BRAID_CHECK(open_side(context, fd, from.name, who));
    BRAID_TRY(const FoundMarker found, load_marker(fd, from.name));
    if (to.size() + kTrustedPrefix.size() > XATTR_NAME_MAX) return fail_os(ENAMETOOLONG);
    BRAID_CHECK(drop_marker(fd, from.name));
    auto stored = store_marker(fd, to, found.marker);
    if (!stored) BRAID_CHECK(store_marker(fd, from.name, found.marker));
    return stored;
  }
  BRAID_TRY(const Bytes value, get(fd, inline_name(from.name)));
  // Room for both may be missing; then the old one goes first and comes back on failure.
  if (auto stored = set(fd, inline_name(to), value); !stored) {
    if (!stored.error().is_os(ENOSPC)) return stored;
    BRAID_CHECK(drop(fd, inline_name(from.name)));
    if (auto again = set(fd, inline_name(to), value); !again) {
      BRAID_CHECK(set(fd, inline_name(from.name), value));
      return again;
    }
    return {};
  }
  return drop(fd, inline_name(from.name));
}

void remove_side_files(PosixContext& context, int fd) {
  const auto streams = list_streams(fd);
  if (!streams) return;
  for (const StreamRef& stream : *streams) {
    // A side file left behind takes space and does no other harm.
    if (stream.side) (void)remove_stream(context, fd, stream);
  }
}

}  // namespace braid::vfs
