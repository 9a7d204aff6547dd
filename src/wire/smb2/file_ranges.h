// Payloads of FSCTLs that name ranges of a file: FSCTL_FILE_LEVEL_TRIM, FSCTL_SET_ZERO_DATA,
// FSCTL_QUERY_ALLOCATED_RANGES.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-FSCC] 2.3.13.1 "FILE_LEVEL_TRIM_RANGE".
struct FileLevelTrimRange {
  uint64_t offset = 0;
  uint64_t length = 0;
  bool operator==(const FileLevelTrimRange&) const = default;
};
// [MS-FSCC] 2.3.13 "FSCTL_FILE_LEVEL_TRIM Request".
struct FileLevelTrim {
  uint32_t key = 0;
  std::vector<FileLevelTrimRange> ranges;

  static Result<FileLevelTrim> decode(Reader& r);
  void encode(Writer& w) const;
};
// [MS-FSCC] 2.3.14 "FSCTL_FILE_LEVEL_TRIM Reply".
struct FileLevelTrimOutput {
  uint32_t num_ranges_processed = 0;

  static Result<FileLevelTrimOutput> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.3.85 "FSCTL_SET_ZERO_DATA Request". Signed on the wire; the command refuses negative
// values.
struct FileZeroDataInformation {
  int64_t file_offset = 0;
  int64_t beyond_final_zero = 0;

  static Result<FileZeroDataInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.3.51 "FSCTL_QUERY_ALLOCATED_RANGES Request" and one element of 2.3.52
// "FSCTL_QUERY_ALLOCATED_RANGES Reply".
struct FileAllocatedRangeBuffer {
  static constexpr size_t kSize = 16;

  int64_t file_offset = 0;
  int64_t length = 0;

  static Result<FileAllocatedRangeBuffer> decode(Reader& r);
  void encode(Writer& w) const;
  bool operator==(const FileAllocatedRangeBuffer&) const = default;
};
// The whole reply; malformed unless a multiple of one element.
struct QueryAllocatedRangesReply {
  std::vector<FileAllocatedRangeBuffer> ranges;

  static Result<QueryAllocatedRangesReply> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
