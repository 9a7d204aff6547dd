// SMB2 QUERY_DIRECTORY.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// SMB2_RESTART_SCANS and its siblings.
struct QueryDirectoryFlags {
  static constexpr uint8_t kRestartScans = 0x01;
  static constexpr uint8_t kReturnSingleEntry = 0x02;
  static constexpr uint8_t kIndexSpecified = 0x04;
  static constexpr uint8_t kReopen = 0x10;
};

// [MS-SMB2] 2.2.33 "SMB2 QUERY_DIRECTORY Request".
struct QueryDirectoryRequest {
  uint8_t file_information_class = 0;  // [MS-FSCC] 2.4
  uint8_t flags = 0;                   // QueryDirectoryFlags
  uint32_t file_index = 0;
  FileId file_id;
  std::string file_name;  // the search pattern, UTF-8
  uint32_t output_buffer_length = 0;

  static Result<QueryDirectoryRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.34 "SMB2 QUERY_DIRECTORY Response".
struct QueryDirectoryResponse {
  ByteView output_buffer;  // entries of the class asked for; into the message when decoded

  static Result<QueryDirectoryResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
