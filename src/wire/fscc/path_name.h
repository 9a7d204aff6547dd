// What a client may call a file.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace braid::wire {

// [MS-FSCC] 2.1.5.2 "Filename": UTF-16 units.
inline constexpr size_t kComponentLengthMax = 255;
// [MS-FSCC] 2.1.5 "Pathname": UTF-16 units.
inline constexpr size_t kPathLengthMax = 32760;

enum class Wildcards { kRefuse, kAllow };

// One name between backslashes, without stream. kObjectNameInvalid for characters that
// [MS-FSCC] 2.1.5.2 forbids, for "." and "..", for bytes that are not UTF-8 and for a name longer
// than kComponentLengthMax.
Result<void> validate_component(std::string_view name, Wildcards wildcards = Wildcards::kRefuse);

// [MS-FSCC] 2.1.5.3 "Streamname".
Result<void> validate_stream_name(std::string_view name);

// The parts of "file:stream:type".
struct StreamName {
  std::string file;
  std::string stream;               // empty for the default stream
  bool has_stream_syntax = false;   // a colon was there
  bool is_directory_index = false;  // ":$I30:$INDEX_ALLOCATION" and "::$INDEX_ALLOCATION"
};

// Splits and checks the last component of a path. Types other than $DATA and $INDEX_ALLOCATION (in
// any case), more than two colons and an empty stream without type are kObjectNameInvalid.
Result<StreamName> split_stream(std::string_view component);

// A path as clients send it in CREATE or in a rename, checked as a whole.
struct PathName {
  std::vector<std::string> components;  // empty: the root of the share
  std::string stream;                   // of the last component; empty for the default stream
  bool has_stream_syntax = false;
  bool is_directory_index = false;
  bool trailing_separator = false;  // "dir\", which only a directory may be called

  // Components joined with '/', the way the file system wants them.
  std::string posix() const;
};

// Takes UTF-8 with backslashes between components; a slash counts as one, since clients written for
// Unix paths send it. "." and ".." are taken out, with what ".." leads back from ([MS-FSCC] 2.1.5.1
// "Dot Directory Names"); what is named so at the end is a directory. A leading separator is
// kInvalidParameter ([MS-SMB2] 3.3.5.9 "Receiving an SMB2 CREATE Request"), and so is what begins
// with "name\..\", as Windows has it; a ".." that would leave the share is kObjectPathSyntaxBad, an
// empty component kObjectPathNotFound, or kObjectNameInvalid as the last one. Too long a path and a
// colon in any but the last component are kObjectNameInvalid.
Result<PathName> parse_path(std::string_view path);

}  // namespace braid::wire
