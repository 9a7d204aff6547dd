// SMB2 CLOSE.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// SMB2_CLOSE_FLAG_*
struct CloseFlags {
  static constexpr uint16_t kPostqueryAttrib = 0x0001;
};

// [MS-SMB2] 2.2.15 "SMB2 CLOSE Request".
struct CloseRequest {
  uint16_t flags = 0;  // CloseFlags
  FileId file_id;

  static Result<CloseRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.16 "SMB2 CLOSE Response". Everything but flags is zero unless flags says otherwise.
struct CloseResponse {
  uint16_t flags = 0;  // CloseFlags
  FileTime creation_time;
  FileTime last_access_time;
  FileTime last_write_time;
  FileTime change_time;
  uint64_t allocation_size = 0;
  uint64_t end_of_file = 0;
  uint32_t file_attributes = 0;

  static Result<CloseResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
