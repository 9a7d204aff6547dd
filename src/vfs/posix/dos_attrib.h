// The extended attribute that keeps what Unix files do not have.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace braid::vfs {

inline constexpr std::string_view kDosAttribName = "user.DOSATTRIB";
// The longest form is an old one of about 64 bytes and a name; more is not one of ours to read.
inline constexpr size_t kDosAttribSizeMax = 512;

// DOS attributes and creation time in the form Samba stores them, so that a directory can be served
// by either. NDR, little-endian: a NUL-terminated text "0x.." (empty in the later versions), then
// aligned to 2 the version twice (field and union discriminant), then aligned to 4 the arm:
//   1  attributes
//   2  flags, attributes, ea_size, size, allocation size, creation, change, write time, name
//   3  flags, attributes, ea_size, size, allocation size, creation, change time
//   4  flags, attributes, inode time, creation time
//   5  flags, attributes, creation time
// 64-bit values are aligned to 4. Older still is the text alone.
//
// A file system lets nobody choose a change time. One that a client chose is kept in version 3, and
// in its size, which is not flagged as valid, until when it holds: it is what the file shows for as
// long as its own change time is not later. Samba reads the attributes and the creation time of
// this form and passes over the rest.
struct DosAttrib {
  struct ChosenTime {
    FileTime time;
    FileTime until;
    friend bool operator==(const ChosenTime&, const ChosenTime&) = default;
  };

  uint32_t attributes = 0;
  std::optional<FileTime> creation_time;
  std::optional<ChosenTime> change_time = {};

  // Every version; kMalformed for bytes that are none of them.
  static Result<DosAttrib> decode(ByteView bytes);
  // Version 5, or 3 with a change time.
  Bytes encode() const;
};

}  // namespace braid::vfs
