// SMB2 QUERY_INFO.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/dtyp/sid.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// SMB2_0_INFO_*
enum class InfoType : uint8_t {
  kFile = 0x01,
  kFilesystem = 0x02,
  kSecurity = 0x03,
  kQuota = 0x04,
};

// *_SECURITY_INFORMATION, in additional_information with InfoType::kSecurity.
struct SecurityInformation {
  static constexpr uint32_t kOwner = 0x00000001;
  static constexpr uint32_t kGroup = 0x00000002;
  static constexpr uint32_t kDacl = 0x00000004;
  static constexpr uint32_t kSacl = 0x00000008;
  static constexpr uint32_t kLabel = 0x00000010;
  static constexpr uint32_t kAttribute = 0x00000020;
  static constexpr uint32_t kScope = 0x00000040;
  static constexpr uint32_t kBackup = 0x00010000;
};

// SL_*, in flags when FileFullEaInformation is asked for.
struct QueryInfoFlags {
  static constexpr uint32_t kRestartScan = 0x00000001;
  static constexpr uint32_t kReturnSingleEntry = 0x00000002;
  static constexpr uint32_t kIndexSpecified = 0x00000004;
};

// [MS-SMB2] 2.2.37 "SMB2 QUERY_INFO Request".
struct QueryInfoRequest {
  InfoType info_type = InfoType::kFile;
  uint8_t file_info_class = 0;  // [MS-FSCC] 2.4 or 2.5
  uint32_t output_buffer_length = 0;
  uint32_t additional_information = 0;
  uint32_t flags = 0;
  FileId file_id;
  ByteView input_buffer;  // into the message when decoded

  static Result<QueryInfoRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.38 "SMB2 QUERY_INFO Response".
struct QueryInfoResponse {
  ByteView output_buffer;  // into the message when decoded

  static Result<QueryInfoResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.37.1 "SMB2_QUERY_QUOTA_INFO": the input of a quota query.
struct QueryQuotaInfo {
  bool return_single = false;
  bool restart_scan = false;
  uint32_t sid_list_length = 0;
  uint32_t start_sid_length = 0;
  uint32_t start_sid_offset = 0;
  ByteView sid_buffer;  // into the input when decoded

  // What sid_buffer holds in either form. Malformed or truncated when it is not what the lengths
  // say; no start SID is none.
  Result<std::vector<Sid>> sid_list() const;
  Result<std::optional<Sid>> start_sid() const;

  static Result<QueryQuotaInfo> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
