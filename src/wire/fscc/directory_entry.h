// One directory entry for all directory information classes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "wire/fscc/entry_list.h"
#include "wire/fscc/file_information.h"
#include "wire/fscc/info_class.h"

namespace braid::wire {

// The union of what [MS-FSCC] 2.4.8, .10, .15, .18 to .24 and .33 (the "...DirectoryInformation"
// classes and FileNamesInformation) say of one file; each class sends a subset.
struct DirectoryEntry {
  uint32_t file_index = 0;
  FileTime creation_time;
  FileTime last_access_time;
  FileTime last_write_time;
  FileTime change_time;
  uint64_t end_of_file = 0;
  uint64_t allocation_size = 0;
  uint32_t file_attributes = 0;
  uint32_t ea_size = 0;
  uint32_t reparse_tag = 0;  // with FILE_ATTRIBUTE_REPARSE_POINT; stands in EaSize in older classes
  uint64_t file_id = 0;
  FileId128 file_id_128;
  std::string short_name;  // UTF-8, at most 12 UTF-16 units; longer ones are sent as none
  std::string file_name;   // UTF-8
  // Only of FileInfoClass::kPosix, which has no file_index.
  uint32_t device_id = 0;
  uint32_t number_of_links = 0;
  uint32_t mode = 0;  // PosixMode
  Sid owner;
  Sid group;
};

// Appends the entry after its NextEntryOffset, for use with an EntryListWriter of alignment 8.
// REQUIRES directory_name_offset(info_class) to have a value.
void encode_directory_entry(FileInfoClass info_class, const DirectoryEntry& entry, Writer& w);

// A client's half: the entries of a QUERY_DIRECTORY answer. Fields the class lacks stay zero.
Result<std::vector<DirectoryEntry>> decode_directory_entries(FileInfoClass info_class,
                                                             ByteView buffer);

}  // namespace braid::wire
