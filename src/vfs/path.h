// Path: where a file is below the root of its share.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace braid::vfs {

// [MS-FSCC] 2.1.5 "Pathname": a component has at most 255 UTF-16 units.
inline constexpr size_t kNameUnitsMax = 255;
// A path has at most 32,760 UTF-16 units there; components beyond this many are refused before the
// kernel would (PATH_MAX is 4096 bytes, a component and its separator at least 2).
inline constexpr size_t kComponentsMax = 2048;

// Components of validated names as the client spells them, in UTF-8 (WTF-8 where the client sent a
// lone surrogate). None is empty, "." or "..", or holds NUL, '/' or '\'. No components: the root.
class Path {
 public:
  Path() = default;

  // One more component. STATUS_OBJECT_NAME_INVALID unless `name` may be a component; characters
  // Windows reserves are let through, since the POSIX extensions allow them.
  Result<void> append(std::string_view name);

  const std::vector<std::string>& components() const { return components_; }
  bool is_root() const { return components_.empty(); }
  // The last component; "" for the root.
  std::string_view name() const {
    return components_.empty() ? std::string_view{} : std::string_view(components_.back());
  }
  Path parent() const;
  // As the protocol writes it: "dir\file"; "" for the root.
  std::string text() const;

  friend bool operator==(const Path&, const Path&) = default;

 private:
  std::vector<std::string> components_;
};

// The name in an SMB2 CREATE: [MS-SMB2] 2.2.13, syntax of [MS-FSCC] 2.1.5 "Pathname".
struct PathAndStream {
  Path path;
  std::string stream;            // without ":" and type; "" for the unnamed stream
  bool has_stream = false;       // a ":" was there, even as "::$DATA"
  bool stream_is_index = false;  // "::$INDEX_ALLOCATION": the directory itself
  bool trailing_separator = false;
};

enum class NameRules { kWindows, kPosix };

// `text` is UTF-8 with '\' between components and none in front.
// STATUS_INVALID_PARAMETER        starts with a separator
// STATUS_OBJECT_PATH_SYNTAX_BAD   ".." or "."
// STATUS_OBJECT_NAME_INVALID      NUL, a reserved character, an empty or too long component, a bad
//                                 stream name or type
// kPosix: ':' and the other reserved characters are ordinary, streams cannot be named.
Result<PathAndStream> parse_path(std::string_view text, NameRules rules = NameRules::kWindows);

}  // namespace braid::vfs
