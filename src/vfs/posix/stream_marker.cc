#include "vfs/posix/stream_marker.h"

#include <limits.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>

#include "runtime/identity.h"
#include "vfs/posix/system.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::vfs {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kMarkerSize = 32;
constexpr uint8_t kNoStreamEndsSo = 1;

std::string trusted_name(const std::string& stream) { return std::string(kTrustedPrefix) + stream; }
std::string side_name(const std::string& stream) { return std::string(kSidePrefix) + stream; }

}  // namespace

Result<Marker> Marker::decode(ByteView bytes) {
  wire::Reader r(bytes);
  Marker marker;
  r.expect(r.u8() == kVersion);
  r.skip(7);
  marker.inode = r.u64();
  const ByteView id = r.bytes(marker.id.size());
  if (r.ok()) std::copy(id.begin(), id.end(), marker.id.begin());
  return r.finish(marker);
}

Bytes Marker::encode() const {
  Bytes out;
  wire::Writer w(out);
  w.u8(kVersion);
  w.zeros(7);
  w.u64(inode);
  w.bytes(id);
  return out;
}

Base Base::of(const struct statx& st) {
  constexpr uint64_t kSecond = 1'000'000'000;
  if (!(st.stx_mask & STATX_BTIME)) return {st.stx_ino, 0};
  return {st.stx_ino, static_cast<uint64_t>(st.stx_btime.tv_sec) * kSecond + st.stx_btime.tv_nsec};
}

Result<Base> Base::decode(ByteView bytes) {
  wire::Reader r(bytes);
  r.expect(r.u8() == kVersion);
  r.skip(7);
  Base base;
  base.inode = r.u64();
  base.birth_ns = r.u64();
  return r.finish(base);
}

Bytes Base::encode() const {
  Bytes out;
  wire::Writer w(out);
  w.u8(kVersion);
  w.zeros(7);
  w.u64(inode);
  w.u64(birth_ns);
  return out;
}

std::string inline_name(const std::string& stream) {
  return std::string(kInlinePrefix) + stream + std::string(kInlineSuffix);
}

Result<Bytes> get_attribute(int fd, const std::string& name) {
  const std::string path = descriptor_path(fd);
  const ssize_t size = ::getxattr(path.c_str(), name.c_str(), nullptr, 0);
  if (size < 0) return fail_os(errno == ENODATA ? ENOENT : errno);
  Bytes value(static_cast<size_t>(size));
  const ssize_t got = ::getxattr(path.c_str(), name.c_str(), value.data(), value.size());
  if (got < 0) return fail_os(errno == ENODATA ? ENOENT : errno);
  value.resize(static_cast<size_t>(got));
  return value;
}

Result<void> set_attribute(int fd, const std::string& name, ByteView value) {
  const auto stored = store_attribute(fd, name, value);
  if (stored) return {};
  // A name too long for an attribute is ERANGE, a value too large one of the others.
  if (name.size() > XATTR_NAME_MAX) return fail_os(ENAMETOOLONG);
  if (stored.error().is_os(E2BIG) || stored.error().is_os(ERANGE)) return fail_os(ENOSPC);
  return stored;
}

Result<void> drop_attribute(int fd, const std::string& name) {
  if (::removexattr(descriptor_path(fd).c_str(), name.c_str()) == 0) return {};
  return fail_os(errno == ENODATA ? ENOENT : errno);
}

bool is_marker_inline(int fd, const std::string& name) {
  std::array<uint8_t, kMarkerSize + 1> value;
  const ssize_t size = ::getxattr(descriptor_path(fd).c_str(), inline_name(name).c_str(),
                                  value.data(), value.size());
  return size == static_cast<ssize_t>(value.size()) && value.back() == kNoStreamEndsSo;
}

Result<void> store_marker_inline(int fd, const std::string& name, const Marker& marker) {
  Bytes value = marker.encode();
  value.push_back(kNoStreamEndsSo);
  return set_attribute(fd, inline_name(name), value);
}

Result<FoundMarker> load_marker(int fd, const std::string& name) {
  FoundMarker found;
  auto value = get_attribute(fd, trusted_name(name));
  found.is_trusted = value.has_value();
  if (!value) value = get_attribute(fd, side_name(name));
  if (!value && is_marker_inline(fd, name)) {
    value = get_attribute(fd, inline_name(name));
    if (value && !value->empty()) value->pop_back();
  }
  if (!value) return fail(value.error());
  const auto marker = Marker::decode(*value);
  if (!marker) return fail_os(ENOENT);
  found.marker = *marker;
  return found;
}

Result<void> drop_marker(int fd, const std::string& name) {
  const auto trusted = drop_attribute(fd, trusted_name(name));
  auto plain = drop_attribute(fd, side_name(name));
  if (is_marker_inline(fd, name)) plain = drop_attribute(fd, inline_name(name));
  return trusted ? trusted : plain;
}

Result<void> store_marker(int fd, const std::string& name, const Marker& marker) {
  const Bytes value = marker.encode();
  if (can_switch_identity()) {
    auto stored = set_attribute(fd, trusted_name(name), value);
    if (stored) (void)drop_attribute(fd, side_name(name));
    if (stored || !(stored.error().is_os(EPERM) || stored.error().is_os(EOPNOTSUPP))) return stored;
  }
  return set_attribute(fd, side_name(name), value);
}

}  // namespace braid::vfs
