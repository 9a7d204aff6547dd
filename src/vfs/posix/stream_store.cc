#include "vfs/posix/stream_store.h"

#include <limits.h>
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

// The marker of a stream goes, and what is the file's own of what it leads to. What belongs to
// another file, or is lost already, is not ours to delete.
Result<UniqueFd> forget_side(PosixContext& context, int fd, const std::string& name) {
  auto side = find_side(context, fd, name);
  BRAID_CHECK(drop_marker(fd, name));
  if (!side || side->claim != Claim::kOwn) return UniqueFd();
  remove_side_file(*side);
  return std::move(side->file);
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

Result<void> remove_lost_stream(int fd, std::string_view name) { return drop_markers(fd, name); }

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

Result<void> forget_leftover(PosixContext& context, int fd, const std::string& name) {
  if (!load_marker(fd, name)) return {};
  BRAID_CHECK(forget_side(context, fd, name));
  return {};
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

Result<UniqueFd> remove_stream(PosixContext& context, int fd, const StreamRef& stream) {
  if (stream.side) return forget_side(context, fd, stream.name);
  BRAID_CHECK(forget_leftover(context, fd, stream.name));
  BRAID_CHECK(drop_attribute(fd, inline_name(stream.name)));
  return UniqueFd();
}

Result<void> rename_stream(PosixContext& context, int fd, const StreamRef& from,
                           const std::string& to) {
  if (from.name == to) return {};
  if (!equal_folded(from.name, to)) BRAID_CHECK(drop_markers(fd, to));
  // Never without a name, whenever this process ends: for a moment it has both.
  if (from.side) {
    BRAID_TRY(const FoundMarker found, load_marker(fd, from.name));
    if (to.size() + kTrustedPrefix.size() > XATTR_NAME_MAX) return fail_os(ENAMETOOLONG);
    BRAID_CHECK(store_marker(fd, to, found.marker));
    return drop_marker(fd, from.name);
  }
  BRAID_CHECK(forget_leftover(context, fd, from.name));
  BRAID_TRY(const Bytes value, get_attribute(fd, inline_name(from.name)));
  BRAID_CHECK(set_attribute(fd, inline_name(to), value));
  const auto dropped = drop_attribute(fd, inline_name(from.name));
  if (!dropped) (void)drop_attribute(fd, inline_name(to));
  return dropped;
}

void remove_side_files(PosixContext& context, int fd) {
  // Most have no streams, as anybody is told: then there is nothing to do as the server.
  if (const auto streams = list_streams(fd); streams && streams->empty()) return;
  const ScopedPrivilege privilege;
  if (!privilege.status()) return;
  const auto streams = list_streams(fd);
  if (!streams) return;
  for (const StreamRef& stream : *streams) {
    // A side file left behind takes space and does no other harm.
    if (stream.side) (void)remove_stream(context, fd, stream);
  }
}

}  // namespace braid::vfs
