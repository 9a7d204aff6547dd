#include "vfs/posix/dos_attrib.h"

#include <charconv>

#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::vfs {
namespace {

constexpr uint32_t kValidAttributes = 0x01;
constexpr uint32_t kValidSize = 0x04;
constexpr uint32_t kValidCreationTime = 0x10;
constexpr uint32_t kValidChangeTime = 0x20;

// "0x20": what the text in front says, when it says anything.
std::optional<uint32_t> parse_hex(std::string_view text) {
  if (!text.starts_with("0x")) return {};
  text.remove_prefix(2);
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

DosAttrib checked(uint32_t flags, uint32_t attributes, FileTime creation) {
  DosAttrib out;
  if (flags & kValidAttributes) out.attributes = attributes;
  if ((flags & kValidCreationTime) && creation.ticks != 0) out.creation_time = creation;
  return out;
}

}  // namespace

Result<DosAttrib> DosAttrib::decode(ByteView bytes) {
  if (bytes.size() > kDosAttribSizeMax) return fail(Error::malformed());
  const std::string_view whole = as_text(bytes);
  const size_t nul = whole.find('\0');
  const std::optional<uint32_t> hex = parse_hex(whole.substr(0, nul));
  if (nul == whole.npos || nul + 1 == whole.size()) {
    if (!hex) return fail(Error::malformed());
    return DosAttrib{.attributes = *hex, .creation_time = {}};
  }

  wire::Reader r(bytes, nul + 1);
  r.align(2);
  const uint16_t version = r.u16();
  r.expect_u16(version);
  r.align(4);
  const uint32_t flags = version == 1 ? kValidAttributes : r.u32();
  const uint32_t attributes = r.u32();
  FileTime creation;
  DosAttrib::ChosenTime change;
  switch (version) {
    case 1:
      break;
    case 2:
      r.skip(4 + 8 + 8);
      creation = r.file_time();
      break;
    case 3:
      r.skip(4);
      change.until = r.file_time();
      r.skip(8);
      creation = r.file_time();
      change.time = r.file_time();
      break;
    case 4:
      r.skip(8);
      creation = r.file_time();
      break;
    case 5:
      creation = r.file_time();
      break;
    default:
      return fail(Error::malformed());
  }
  // Version 2 did not say which of its fields counted.
  DosAttrib out = checked(version == 2 ? flags | kValidAttributes : flags, attributes, creation);
  if (version == 3 && (flags & kValidChangeTime) && !(flags & kValidSize) &&
      change.until.ticks != 0) {
    out.change_time = change;
  }
  return r.finish(std::move(out));
}

Bytes DosAttrib::encode() const {
  Bytes out;
  wire::Writer w(out);
  w.u8(0);
  w.align(2);
  const uint16_t version = change_time ? 3 : 5;
  w.u16(version);
  w.u16(version);
  w.align(4);
  w.u32(kValidAttributes | (creation_time ? kValidCreationTime : 0) |
        (change_time ? kValidChangeTime : 0));
  w.u32(attributes);
  if (change_time) {
    w.u32(0);
    w.file_time(change_time->until);
    w.u64(0);
  }
  w.file_time(creation_time.value_or(FileTime{}));
  if (change_time) w.file_time(change_time->time);
  return out;
}

}  // namespace braid::vfs
