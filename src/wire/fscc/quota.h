// Quota entries.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "wire/dtyp/sid.h"

namespace braid::wire {

// [MS-FSCC] 2.4.41 "FileQuotaInformation". Bytes; kNoLimit stands for none, and kDelete as a limit
// in a set removes the entry.
struct FileQuotaInformation {
  static constexpr uint64_t kNoLimit = ~uint64_t{0};
  static constexpr uint64_t kDelete = ~uint64_t{1};
  static constexpr size_t kSizeMin = 40 + Sid::kHeaderSize + 4;  // with one subauthority

  FileTime change_time;
  uint64_t quota_used = 0;
  uint64_t quota_threshold = kNoLimit;
  uint64_t quota_limit = kNoLimit;
  Sid sid;

  bool operator==(const FileQuotaInformation&) const = default;
};

Result<std::vector<FileQuotaInformation>> decode_quotas(ByteView buffer);
Bytes encode_quotas(const std::vector<FileQuotaInformation>& quotas, size_t limit,
                    size_t* count = nullptr);

// [MS-FSCC] 2.4.41.1 "FILE_GET_QUOTA_INFORMATION": the SIDs a query asks for.
Result<std::vector<Sid>> decode_quota_sids(ByteView buffer);
Bytes encode_quota_sids(const std::vector<Sid>& sids);

}  // namespace braid::wire
