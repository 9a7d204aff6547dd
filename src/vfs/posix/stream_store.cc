#include "vfs/posix/stream_store.h"

#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

#include <array>

#include "runtime/identity.h"
#include "vfs/names.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::vfs {
namespace {

constexpr std::string_view kInlinePrefix = "user.DosStream.";
constexpr std::string_view kInlineSuffix = ":$DATA";
constexpr std::string_view kSidePrefix = "user.braid.stream.";
constexpr uint8_t kMarkerVersion = 1;

using SideId = std::array<uint8_t, 16>;

struct Marker {
  uint64_t inode = 0;
  SideId id{};

  static Result<Marker> decode(ByteView bytes) {
    wire::Reader r(bytes);
    Marker marker;
    r.expect(r.u8() == kMarkerVersion);
    r.skip(7);
    marker.inode = r.u64();
    const ByteView id = r.bytes(marker.id.size());
    if (r.ok()) std::copy(id.begin(), id.end(), marker.id.begin());
    return r.finish(marker);
  }
  Bytes encode() const {
    Bytes out;
    wire::Writer w(out);
    w.u8(kMarkerVersion);
    w.zeros(7);
    w.u64(inode);
    w.bytes(id);
    return out;
  }
};

std::string inline_name(const std::string& stream) {
  return std::string(kInlinePrefix) + stream + std::string(kInlineSuffix);
}
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
  // So that it counts for the quota of the file's owner; without the right to, it stays ours.
  if (::fchown(file.get(), owner.stx_uid, owner.stx_gid) != 0 && errno != EPERM) {
    return fail_last_os();
  }
  return file;
}

Result<void> copy_file(int from, int to) {
  for (;;) {
    const ssize_t copied = ::sendfile(to, from, nullptr, 1 << 20);
    if (copied < 0) return fail_last_os();
    if (copied == 0) return {};
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
    if (name.starts_with(kSidePrefix)) {
      out.push_back({std::string(name.substr(kSidePrefix.size())), true});
    } else if (name.starts_with(kInlinePrefix) && name.ends_with(kInlineSuffix) &&
               name.size() > kInlinePrefix.size() + kInlineSuffix.size()) {
      name.remove_prefix(kInlinePrefix.size());
      name.remove_suffix(kInlineSuffix.size());
      out.push_back({std::string(name), false});
    }
  }
  return out;
}

Result<StreamRef> find_stream(int fd, std::string_view name) {
  BRAID_TRY(std::vector<StreamRef> streams, list_streams(fd));
  for (StreamRef& stream : streams) {
    if (equal_folded(stream.name, name)) return std::move(stream);
  }
  return fail_os(ENOENT);
}

Result<void> create_stream(int fd, const std::string& name) {
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

Result<Descriptor> open_side(PosixContext& context, int fd, const std::string& name) {
  BRAID_TRY(const Bytes value, get(fd, side_name(name)));
  BRAID_TRY(Marker marker, Marker::decode(value));
  BRAID_TRY(const Descriptor streams, streams_folder(context, false));
  const std::string path = side_path(marker.id);
  auto opened = open_beneath(streams.get(), path, O_RDWR | O_NOFOLLOW);
  // In a snapshot nothing is written, and what a copied file names is as good as a copy.
  if (!opened && opened.error().is_os(EROFS)) {
    return open_beneath(streams.get(), path, O_RDONLY | O_NOFOLLOW);
  }
  BRAID_TRY(Descriptor side, std::move(opened));
  BRAID_TRY(const struct statx st, stat_of(fd));
  if (marker.inode == st.stx_ino) return side;
  marker.inode = st.stx_ino;
  BRAID_TRY(Descriptor own, new_side_file(context, marker.id, st));
  BRAID_CHECK(copy_file(side.get(), own.get()));
  BRAID_CHECK(set(fd, side_name(name), marker.encode()));
  return own;
}

Result<Descriptor> move_to_side(PosixContext& context, int fd, const std::string& name) {
  BRAID_TRY(const Bytes content, load_inline(fd, name));
  BRAID_TRY(const struct statx st, stat_of(fd));
  Marker marker;
  marker.inode = st.stx_ino;
  BRAID_TRY(Descriptor side, new_side_file(context, marker.id, st));
  if (::pwrite(side.get(), content.data(), content.size(), 0) !=
      static_cast<ssize_t>(content.size())) {
    return fail_os(ENOSPC);
  }
  // First the attribute goes: it may hold the room that the marker needs. Should the marker not
  // fit, the attribute is put back.
  BRAID_CHECK(drop(fd, inline_name(name)));
  if (auto marked = set(fd, side_name(name), marker.encode()); !marked) {
    BRAID_CHECK(store_inline(context, fd, name, content));
    return fail(marked.error());
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
  BRAID_TRY(const Descriptor side, open_side(context, fd, stream.name));
  BRAID_TRY(const struct statx st, stat_of(side.get()));
  return static_cast<uint64_t>(st.stx_size);
}

Result<void> remove_stream(PosixContext& context, int fd, const StreamRef& stream) {
  if (!stream.side) return drop(fd, inline_name(stream.name));
  BRAID_TRY(const Bytes value, get(fd, side_name(stream.name)));
  BRAID_CHECK(drop(fd, side_name(stream.name)));
  const auto marker = Marker::decode(value);
  const auto st = stat_of(fd);
  const auto streams = streams_folder(context, false);
  // What belongs to another file, or is lost already, is not ours to delete.
  if (!marker || !st || !streams || marker->inode != st->stx_ino) return {};
  if (::unlinkat(streams->get(), side_path(marker->id).c_str(), 0) != 0 && errno != ENOENT) {
    return fail_last_os();
  }
  return {};
}

Result<void> rename_stream(int fd, const StreamRef& from, const std::string& to) {
  const auto name = from.side ? side_name : inline_name;
  BRAID_TRY(const Bytes value, get(fd, name(from.name)));
  if (from.name == to) return {};
  // Room for both may be missing; then the old one goes first and comes back on failure.
  if (auto stored = set(fd, name(to), value); !stored) {
    if (!stored.error().is_os(ENOSPC)) return stored;
    BRAID_CHECK(drop(fd, name(from.name)));
    if (auto again = set(fd, name(to), value); !again) {
      BRAID_CHECK(set(fd, name(from.name), value));
      return again;
    }
    return {};
  }
  return drop(fd, name(from.name));
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
