#include "vfs/posix/stream_store.h"

#include <limits.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

#include <algorithm>

#include "vfs/names.h"
#include "vfs/posix/side_file.h"
#include "vfs/posix/space.h"
#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

// The names of the attributes of most files take less.
constexpr size_t kNamesExpected = 1024;

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

// The marker of a stream goes, and what is the file's own of what it leads to. What belongs to
// another file, or is lost already, is not ours to delete.
Result<void> forget_side(PosixContext& context, int fd, const std::string& name) {
  const auto side = find_side(context, fd, name);
  BRAID_CHECK(drop_marker(fd, name));
  if (side && side->claim == Claim::kOwn) remove_side_file(context, side->found.marker.id);
  return {};
}

// One that a crash has left beside an attribute, which is what counts.
Result<void> forget_leftover(PosixContext& context, int fd, const std::string& name) {
  if (!load_marker(fd, name)) return {};
  return forget_side(context, fd, name);
}

// Those of a name that leads nowhere, however it is spelled.
Result<void> drop_markers(int fd, std::string_view name) {
  BRAID_TRY(const std::vector<StreamRef> streams, list_streams(fd));
  for (const StreamRef& stream : streams) {
    if (stream.side && equal_folded(stream.name, name)) BRAID_CHECK(drop_marker(fd, stream.name));
  }
  return {};
}

}  // namespace

Result<std::vector<StreamRef>> list_streams(int fd) {
  const std::string path = descriptor_path(fd);
  std::string names(kNamesExpected, '\0');
  ssize_t got = ::listxattr(path.c_str(), names.data(), names.size());
  if (got < 0 && errno == ERANGE) {
    names.resize(XATTR_LIST_MAX);
    got = ::listxattr(path.c_str(), names.data(), names.size());
  }
  if (got < 0 && errno == EOPNOTSUPP) return std::vector<StreamRef>();
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
      out.push_back({std::string(name), is_marker_inline(fd, std::string(name))});
    }
  }
  // Where there are two, a crash was between a marker and the end of the attribute: if that has
  // bytes it has all of them, and of two markers one is enough.
  std::ranges::sort(out, {}, [](const StreamRef& ref) { return std::pair(ref.name, ref.side); });
  out.erase(std::ranges::unique(out).begin(), out.end());
  std::erase_if(out, [&](const StreamRef& ref) {
    return ref.side && std::ranges::any_of(out, [&](const StreamRef& other) {
             return !other.side && other.name == ref.name;
           });
  });
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
  return set_attribute(fd, inline_name(name), Bytes{0});
}

Result<Bytes> load_inline(int fd, const std::string& name) {
  BRAID_TRY(Bytes value, get_attribute(fd, inline_name(name)));
  if (!value.empty()) value.pop_back();
  return value;
}

Result<void> store_inline(PosixContext& context, int fd, const std::string& name, ByteView bytes) {
  if (bytes.size() > context.inline_stream_max) return fail_os(ENOSPC);
  Bytes value(bytes.begin(), bytes.end());
  value.push_back(0);
  return set_attribute(fd, inline_name(name), value);
}

Result<UniqueFd> open_side(PosixContext& context, int fd, const std::string& name,
                           const Credentials& who) {
  BRAID_TRY(Side side, find_side(context, fd, name));
  // In a snapshot nothing is written, and what a copied file names is as good as a copy.
  if (side.is_read_only) return std::move(side.file);
  if (side.claim == Claim::kOwn) {
    settle(fd, name, side);
    return std::move(side.file);
  }
  Marker marker{.inode = side.file_now.stx_ino};
  BRAID_TRY(UniqueFd own, new_side_file(context, marker.id, side.file_now));
  auto done = copy_file(side.file.get(), own.get(), who);
  if (done) done = settle_on_disk(context, own.get(), marker.id);
  if (done) done = store_marker(fd, name, marker);
  if (!done) {
    remove_side_file(context, marker.id);
    return fail(done.error());
  }
  return own;
}

namespace {

// At each moment one of the two is there. Where the attribute holds the room that the marker needs,
// the marker takes its place first.
Result<void> replace_with_marker(int fd, const std::string& name, const Marker& marker) {
  auto stored = store_marker(fd, name, marker);
  if (stored) {
    const auto dropped = drop_attribute(fd, inline_name(name));
    if (!dropped) (void)drop_marker(fd, name);
    return dropped;
  }
  if (!stored.error().is_os(ENOSPC)) return stored;
  BRAID_CHECK(store_marker_inline(fd, name, marker));
  // Without room still it does where it is.
  if (store_marker(fd, name, marker)) (void)drop_attribute(fd, inline_name(name));
  return {};
}

struct NewSide {
  UniqueFd file;
  Marker marker;
};

// The bytes of an inline stream in a side file that nothing names yet, on the disk.
Result<NewSide> copy_out(PosixContext& context, int fd, const Bytes& content,
                         const Credentials& who) {
  BRAID_TRY(const struct statx st, stat_of(fd));
  NewSide side{.file = {}, .marker = {.inode = st.stx_ino}};
  BRAID_TRY(side.file, new_side_file(context, side.marker.id, st));
  const auto fill = [&]() -> Result<void> {
    const ScopedUser user(who);
    BRAID_CHECK(user.status());
    const ssize_t put = ::pwrite(side.file.get(), content.data(), content.size(), 0);
    if (put < 0) return fail_last_os();
    return put == static_cast<ssize_t>(content.size()) ? Result<void>() : fail_os(ENOSPC);
  };
  auto done = fill();
  if (done) done = settle_on_disk(context, side.file.get(), side.marker.id);
  if (!done) {
    remove_side_file(context, side.marker.id);
    return fail(done.error());
  }
  return side;
}

// Where the attributes have no room for the stream twice: a marker takes less.
Result<void> rename_through_side(PosixContext& context, int fd, const std::string& from,
                                 const std::string& to, const Credentials& who) {
  BRAID_TRY(const Bytes content, load_inline(fd, from));
  BRAID_TRY(const NewSide side, copy_out(context, fd, content, who));
  auto done = store_marker(fd, to, side.marker);
  if (done) {
    done = drop_attribute(fd, inline_name(from));
    if (!done) (void)drop_marker(fd, to);
  }
  if (!done) remove_side_file(context, side.marker.id);
  return done;
}

}  // namespace

Result<UniqueFd> move_to_side(PosixContext& context, int fd, const std::string& name,
                              const Credentials& who) {
  BRAID_TRY(const Bytes content, load_inline(fd, name));
  BRAID_TRY(NewSide side, copy_out(context, fd, content, who));
  auto done = forget_leftover(context, fd, name);
  if (done) done = replace_with_marker(fd, name, side.marker);
  if (!done) {
    remove_side_file(context, side.marker.id);
    return fail(done.error());
  }
  return std::move(side.file);
}

Result<StreamInfo> stream_info(PosixContext& context, int fd, const StreamRef& stream) {
  if (!stream.side) {
    const ssize_t size =
        ::getxattr(descriptor_path(fd).c_str(), inline_name(stream.name).c_str(), nullptr, 0);
    if (size < 0) return fail_os(errno == ENODATA ? ENOENT : errno);
    const uint64_t bytes = size > 0 ? static_cast<uint64_t>(size - 1) : 0;
    return StreamInfo{stream.name, bytes, bytes};
  }
  BRAID_TRY(const Side side, find_side(context, fd, stream.name));
  return StreamInfo{stream.name, side.side_now.stx_size, allocated_bytes(side.side_now)};
}

Result<void> remove_stream(PosixContext& context, int fd, const StreamRef& stream) {
  if (stream.side) return forget_side(context, fd, stream.name);
  BRAID_CHECK(forget_leftover(context, fd, stream.name));
  return drop_attribute(fd, inline_name(stream.name));
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
    // Never without a name, whenever this process ends: for a moment it has both.
    BRAID_CHECK(store_marker(fd, to, found.marker));
    return drop_marker(fd, from.name);
  }
  BRAID_CHECK(forget_leftover(context, fd, from.name));
  BRAID_TRY(const Bytes value, get_attribute(fd, inline_name(from.name)));
  // Never without a name, whenever this process ends: for a moment it has both.
  if (auto stored = set_attribute(fd, inline_name(to), value); !stored) {
    if (!stored.error().is_os(ENOSPC)) return stored;
    return rename_through_side(context, fd, from.name, to, who);
  }
  const auto dropped = drop_attribute(fd, inline_name(from.name));
  if (!dropped) (void)drop_attribute(fd, inline_name(to));
  return dropped;
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
