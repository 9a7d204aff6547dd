#include "wire/fscc/directory_entry.h"

#include "wire/fscc/file_attributes.h"
#include "wire/fscc/name_io.h"

namespace braid::wire {
namespace {

constexpr size_t kShortNameSize = 24;

// What a class has besides what all but kNames share, in wire order.
struct Layout {
  bool ea_size = false;
  bool reparse_tag = false;      // a field of its own; else a tag takes the place of EaSize
  bool id_before_short = false;  // the newer classes
  bool id_128 = false;
  bool short_name = false;
  uint8_t padding = 0;  // before an id that comes last
  bool id_last = false;
};

Layout layout_of(FileInfoClass info_class) {
  Layout l;
  switch (info_class) {
    case FileInfoClass::kFullDirectory:
      l.ea_size = true;
      break;
    case FileInfoClass::kIdFullDirectory:
      l.ea_size = l.id_last = true;
      l.padding = 4;
      break;
    case FileInfoClass::kBothDirectory:
      l.ea_size = l.short_name = true;
      break;
    case FileInfoClass::kIdBothDirectory:
      l.ea_size = l.short_name = l.id_last = true;
      l.padding = 2;
      break;
    case FileInfoClass::kIdExtdDirectory:
      l.ea_size = l.reparse_tag = l.id_128 = true;
      break;
    case FileInfoClass::kId64ExtdDirectory:
      l.ea_size = l.reparse_tag = l.id_before_short = true;
      break;
    case FileInfoClass::kId64ExtdBothDirectory:
      l.ea_size = l.reparse_tag = l.id_before_short = l.short_name = true;
      break;
    case FileInfoClass::kIdAllExtdDirectory:
      l.ea_size = l.reparse_tag = l.id_before_short = l.id_128 = true;
      break;
    case FileInfoClass::kIdAllExtdBothDirectory:
      l.ea_size = l.reparse_tag = l.id_before_short = l.id_128 = l.short_name = true;
      break;
    default:
      break;
  }
  return l;
}

void encode_short_name(const std::string& short_name, Writer& w) {
  const size_t length = utf16le_size(short_name);
  if (length > kShortNameSize) {
    w.zeros(2 + kShortNameSize);
    return;
  }
  w.u8(static_cast<uint8_t>(length));
  w.u8(0);
  write_utf16le(w, short_name);
  w.zeros(kShortNameSize - length);
}

std::string decode_short_name(Reader& r) {
  const uint8_t length = r.u8();
  r.skip(1);
  Reader field(r.bytes(kShortNameSize));
  if (!r.ok()) return {};
  std::string name = read_name(field, length);
  if (!field.ok()) r.fail(field.error());
  return name;
}

DirectoryEntry decode_posix_entry(Reader& r) {
  DirectoryEntry entry;
  r.skip(4);
  const auto info = FilePosixInformation::decode(r);
  if (!info) {
    r.fail(info.error());
    return entry;
  }
  entry.creation_time = info->creation_time;
  entry.last_access_time = info->last_access_time;
  entry.last_write_time = info->last_write_time;
  entry.change_time = info->change_time;
  entry.end_of_file = info->end_of_file;
  entry.allocation_size = info->allocation_size;
  entry.file_attributes = info->file_attributes;
  entry.reparse_tag = info->reparse_tag;
  entry.file_id = info->inode;
  entry.device_id = info->device_id;
  entry.number_of_links = info->number_of_links;
  entry.mode = info->mode;
  entry.owner = info->owner;
  entry.group = info->group;
  const uint32_t length = r.u32();
  entry.file_name = read_name(r, length);
  return entry;
}

void encode_posix_entry(const DirectoryEntry& entry, Writer& w) {
  w.zeros(4);
  const FilePosixInformation info{.creation_time = entry.creation_time,
                                  .last_access_time = entry.last_access_time,
                                  .last_write_time = entry.last_write_time,
                                  .change_time = entry.change_time,
                                  .end_of_file = entry.end_of_file,
                                  .allocation_size = entry.allocation_size,
                                  .file_attributes = entry.file_attributes,
                                  .inode = entry.file_id,
                                  .device_id = entry.device_id,
                                  .number_of_links = entry.number_of_links,
                                  .reparse_tag = entry.reparse_tag,
                                  .mode = entry.mode,
                                  .owner = entry.owner,
                                  .group = entry.group};
  info.encode(w);
  w.u32(name_length(entry.file_name));
  write_utf16le(w, entry.file_name);
}

DirectoryEntry decode_entry(FileInfoClass info_class, Reader& r) {
  if (info_class == FileInfoClass::kPosix) return decode_posix_entry(r);
  DirectoryEntry entry;
  entry.file_index = r.u32();
  if (info_class == FileInfoClass::kNames) {
    const uint32_t length = r.u32();
    entry.file_name = read_name(r, length);
    return entry;
  }
  entry.creation_time = r.file_time();
  entry.last_access_time = r.file_time();
  entry.last_write_time = r.file_time();
  entry.change_time = r.file_time();
  entry.end_of_file = r.u64();
  entry.allocation_size = r.u64();
  entry.file_attributes = r.u32();
  const uint32_t length = r.u32();
  const Layout l = layout_of(info_class);
  const bool is_reparse_point = (entry.file_attributes & file_attribute::kReparsePoint) != 0;
  if (l.ea_size) {
    const uint32_t value = r.u32();
    (is_reparse_point && !l.reparse_tag ? entry.reparse_tag : entry.ea_size) = value;
  }
  if (l.reparse_tag) entry.reparse_tag = r.u32();
  if (l.id_before_short) entry.file_id = r.u64();
  if (l.id_128) entry.file_id_128 = r.id128<FileId128>();
  if (l.short_name) entry.short_name = decode_short_name(r);
  r.skip(l.padding);
  if (l.id_last) entry.file_id = r.u64();
  entry.file_name = read_name(r, length);
  return entry;
}

}  // namespace

void encode_directory_entry(FileInfoClass info_class, const DirectoryEntry& entry, Writer& w) {
  if (info_class == FileInfoClass::kPosix) return encode_posix_entry(entry, w);
  w.u32(entry.file_index);
  if (info_class == FileInfoClass::kNames) {
    w.u32(name_length(entry.file_name));
    write_utf16le(w, entry.file_name);
    return;
  }
  w.file_time(entry.creation_time);
  w.file_time(entry.last_access_time);
  w.file_time(entry.last_write_time);
  w.file_time(entry.change_time);
  w.u64(entry.end_of_file);
  w.u64(entry.allocation_size);
  w.u32(entry.file_attributes);
  w.u32(name_length(entry.file_name));
  const Layout l = layout_of(info_class);
  const bool is_reparse_point = (entry.file_attributes & file_attribute::kReparsePoint) != 0;
  if (l.ea_size) w.u32(is_reparse_point && !l.reparse_tag ? entry.reparse_tag : entry.ea_size);
  if (l.reparse_tag) w.u32(is_reparse_point ? entry.reparse_tag : 0);
  if (l.id_before_short) w.u64(entry.file_id);
  if (l.id_128) w.id128(entry.file_id_128);
  if (l.short_name) encode_short_name(entry.short_name, w);
  w.zeros(l.padding);
  if (l.id_last) w.u64(entry.file_id);
  write_utf16le(w, entry.file_name);
}

Result<std::vector<DirectoryEntry>> decode_directory_entries(FileInfoClass info_class,
                                                             ByteView buffer) {
  if (!directory_name_offset(info_class)) return fail(Error::unsupported());
  std::vector<DirectoryEntry> entries;
  EntryListReader list(buffer, 1);  // some servers align to 4 only
  ByteView bytes;
  while (list.next(bytes)) {
    Reader r(bytes);
    DirectoryEntry entry = decode_entry(info_class, r);
    if (!r.ok()) return fail(r.error());
    entries.push_back(std::move(entry));
  }
  BRAID_CHECK(list.finish());
  return entries;
}

}  // namespace braid::wire
