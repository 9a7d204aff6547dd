// The extended attributes that streams are kept in or named by: stream_store.h tells their form.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace braid::vfs {

inline constexpr std::string_view kInlinePrefix = "user.DosStream.";
inline constexpr std::string_view kInlineSuffix = ":$DATA";
inline constexpr std::string_view kTrustedPrefix = "trusted.braid.stream.";
inline constexpr std::string_view kSidePrefix = "user.braid.stream.";
inline constexpr const char* kBaseName = "user.braid.base";

using SideId = std::array<uint8_t, 16>;

// Names the side file of a stream.
struct Marker {
  uint64_t inode = 0;
  SideId id{};

  static Result<Marker> decode(ByteView bytes);
  Bytes encode() const;
};

// Which file a side file belongs to.
struct Base {
  uint64_t inode = 0;
  uint64_t birth_ns = 0;  // 0: the file system keeps none
  bool operator==(const Base&) const = default;

  static Base of(const struct statx& st);
  static Result<Base> decode(ByteView bytes);
  Bytes encode() const;
};

struct FoundMarker {
  Marker marker;
  bool is_trusted = false;  // only root can have put it there
};

std::string inline_name(const std::string& stream);

// An attribute of what `fd` (any descriptor) holds, as the server, but set_attribute() with the
// room of the user (system.h). ENOENT where there is none;
// ENOSPC when a value does not fit, ENAMETOOLONG.
Result<Bytes> get_attribute(int fd, const std::string& name);
Result<void> set_attribute(int fd, const std::string& name, ByteView value);
Result<void> drop_attribute(int fd, const std::string& name);

// A marker that has no room beside the bytes of its stream takes their attribute, in one step, with
// a byte behind it that no stream in an attribute ends in: of those the last is a NUL.
bool is_marker_inline(int fd, const std::string& stream);
Result<void> store_marker_inline(int fd, const std::string& stream, const Marker& marker);

// Wherever it is. ENOENT, also for one that cannot be read.
Result<FoundMarker> load_marker(int fd, const std::string& stream);
Result<void> store_marker(int fd, const std::string& stream, const Marker& marker);
Result<void> drop_marker(int fd, const std::string& stream);

}  // namespace braid::vfs
