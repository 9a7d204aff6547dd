// SMB2 CHANGE_NOTIFY.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// FILE_NOTIFY_CHANGE_*
struct CompletionFilter {
  static constexpr uint32_t kFileName = 0x00000001;
  static constexpr uint32_t kDirName = 0x00000002;
  static constexpr uint32_t kAttributes = 0x00000004;
  static constexpr uint32_t kSize = 0x00000008;
  static constexpr uint32_t kLastWrite = 0x00000010;
  static constexpr uint32_t kLastAccess = 0x00000020;
  static constexpr uint32_t kCreation = 0x00000040;
  static constexpr uint32_t kEa = 0x00000080;
  static constexpr uint32_t kSecurity = 0x00000100;
  static constexpr uint32_t kStreamName = 0x00000200;
  static constexpr uint32_t kStreamSize = 0x00000400;
  static constexpr uint32_t kStreamWrite = 0x00000800;
};

// [MS-SMB2] 2.2.35 "SMB2 CHANGE_NOTIFY Request".
struct ChangeNotifyRequest {
  static constexpr uint16_t kFlagWatchTree = 0x0001;

  uint16_t flags = 0;
  uint32_t output_buffer_length = 0;
  FileId file_id;
  uint32_t completion_filter = 0;  // CompletionFilter

  static Result<ChangeNotifyRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.36 "SMB2 CHANGE_NOTIFY Response".
struct ChangeNotifyResponse {
  ByteView output_buffer;  // FILE_NOTIFY_INFORMATION list; into the message when decoded

  static Result<ChangeNotifyResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
