// Path: where a file is below the root of its share.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace braid::vfs {

// More components than this are refused: each takes memory and a step on the way, and nobody has
// folders in folders in such numbers.
inline constexpr size_t kComponentsMax = 2048;

// Components of validated names as the client spells them, in UTF-8 (WTF-8 where the client sent a
// lone surrogate). None is empty, "." or "..", or holds NUL, '/' or '\'. No components: the root.
// A Path says nothing about what exists.
class Path {
 public:
  Path() = default;

  // One more component. STATUS_OBJECT_NAME_INVALID when it is empty, ".", "..", holds one of the
  // characters above or has more than 255 UTF-16 units.
  Result<void> append(std::string_view name);

  // Valid for as long as the path stays as it is.
  std::vector<std::string_view> components() const;
  bool is_root() const { return text_.empty(); }
  // The last component; "" for the root.
  std::string_view name() const;
  Path parent() const;
  // As the protocol writes it: "dir\file"; "" for the root.
  const std::string& text() const { return text_; }

  friend bool operator==(const Path&, const Path&) = default;

 private:
  // An open keeps its path: what a component takes is what the client sent of it.
  std::string text_;
  size_t count_ = 0;  // of components
};

// The name in an SMB2 CREATE, [MS-SMB2] 2.2.13 "SMB2 CREATE Request".
struct PathAndStream {
  Path path;
  std::string stream;            // without ":" and type; "" for the unnamed stream
  bool has_stream = false;       // a ":" was there, even as "::$DATA"
  bool stream_is_index = false;  // "::$INDEX_ALLOCATION": the directory itself
  bool trailing_separator = false;
};

enum class NameRules { kWindows, kPosix, kExact };

// `text` is UTF-8 with '\' between components and none in front.
// kWindows: what wire::parse_path takes and how it fails.
// kPosix: reserved characters are ordinary and streams cannot be named; only what Path::append
// refuses is STATUS_OBJECT_NAME_INVALID, and a separator in front STATUS_INVALID_PARAMETER.
// kExact: as clients with the SMB3 POSIX Extensions write it: '/' between components, all other
// characters stand for themselves, and the Path has them as Windows clients spell them (names.h).
Result<PathAndStream> parse_path(std::string_view text, NameRules rules = NameRules::kWindows);

}  // namespace braid::vfs
