// SMB2 LOCK.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// SMB2_LOCKFLAG_*
struct LockFlags {
  static constexpr uint32_t kSharedLock = 0x00000001;
  static constexpr uint32_t kExclusiveLock = 0x00000002;
  static constexpr uint32_t kUnlock = 0x00000004;
  static constexpr uint32_t kFailImmediately = 0x00000010;
};

// [MS-SMB2] 2.2.26.1 "SMB2_LOCK_ELEMENT Structure".
struct LockElement {
  uint64_t offset = 0;
  uint64_t length = 0;
  uint32_t flags = 0;  // LockFlags

  bool operator==(const LockElement&) const = default;
};

// [MS-SMB2] 2.2.26 "SMB2 LOCK Request".
struct LockRequest {
  uint8_t lock_sequence_number = 0;  // 4 bits
  uint32_t lock_sequence_index = 0;  // 28 bits
  FileId file_id;
  std::vector<LockElement> locks;  // may be empty: the command answers that

  static Result<LockRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.27 "SMB2 LOCK Response": nothing but its size.
struct LockResponse {
  static Result<LockResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
