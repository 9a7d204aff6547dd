// The streams of a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace braid::wire {

// [MS-FSCC] 2.4.49 "FileStreamInformation". Names as on the wire, "::$DATA" or ":name:$DATA",
// UTF-8.
struct FileStreamInformation {
  uint64_t stream_size = 0;
  uint64_t stream_allocation_size = 0;
  std::string stream_name;

  bool operator==(const FileStreamInformation&) const = default;
};

Result<std::vector<FileStreamInformation>> decode_streams(ByteView buffer);

// As many streams as fit in `limit` bytes, whole entries only.
struct EncodedList {
  Bytes bytes;
  size_t count = 0;  // entries in bytes; fewer than given means STATUS_BUFFER_OVERFLOW
};
EncodedList encode_streams(const std::vector<FileStreamInformation>& streams, size_t limit);

}  // namespace braid::wire
