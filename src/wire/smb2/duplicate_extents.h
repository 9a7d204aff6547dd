// Payloads of FSCTL_DUPLICATE_EXTENTS_TO_FILE(_EX).
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-FSCC] 2.3.7.2 "SMB2_DUPLICATE_EXTENTS_DATA". Offsets and lengths are signed on the wire; the
// command refuses negative ones.
struct DuplicateExtentsData {
  FileId source_file_id;
  int64_t source_file_offset = 0;
  int64_t target_file_offset = 0;
  int64_t byte_count = 0;

  static Result<DuplicateExtentsData> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.3.9.2 "SMB2_DUPLICATE_EXTENTS_DATA_EX".
struct DuplicateExtentsDataEx {
  // What goes over the wire has 56 bytes: the number is the size of the structure with a HANDLE.
  static constexpr uint64_t kStructureSize = 0x30;
  static constexpr uint32_t kFlagSourceAtomic = 0x00000001;

  FileId source_file_id;
  int64_t source_file_offset = 0;
  int64_t target_file_offset = 0;
  int64_t byte_count = 0;
  uint32_t flags = 0;

  static Result<DuplicateExtentsDataEx> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
