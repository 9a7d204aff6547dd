// SMB2 SET_INFO.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/smb2/query_info.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.39 "SMB2 SET_INFO Request".
struct SetInfoRequest {
  InfoType info_type = InfoType::kFile;
  uint8_t file_info_class = 0;          // [MS-FSCC] 2.4 or 2.5
  uint32_t additional_information = 0;  // SecurityInformation with InfoType::kSecurity
  FileId file_id;
  ByteView buffer;  // into the message when decoded

  static Result<SetInfoRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.40 "SMB2 SET_INFO Response": nothing but its size.
struct SetInfoResponse {
  static Result<SetInfoResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
