// Payloads of FSCTL_OFFLOAD_READ and FSCTL_OFFLOAD_WRITE.
#pragma once

#include <array>
#include <cstdint>

#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-FSCC] 2.1.11 "STORAGE_OFFLOAD_TOKEN": stands for a range of bytes. 512 bytes on the wire.
struct StorageOffloadToken {
  static constexpr uint32_t kZeroData = 0xFFFF0001;  // zeros, as many as are wanted
  static constexpr size_t kIdSize = 504;

  uint32_t type = 0;
  uint16_t id_length = 0;  // at most kIdSize
  std::array<uint8_t, kIdSize> id{};

  static Result<StorageOffloadToken> decode(Reader& r);
  void encode(Writer& w) const;
  bool operator==(const StorageOffloadToken&) const = default;
};

// [MS-FSCC] 2.3.41 "FSCTL_OFFLOAD_READ Request". Bytes; milliseconds, 0 for the usual time.
struct OffloadReadInput {
  static constexpr uint32_t kSize = 32;

  uint32_t token_time_to_live_ms = 0;
  uint64_t file_offset = 0;
  uint64_t copy_length = 0;

  static Result<OffloadReadInput> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.3.42 "FSCTL_OFFLOAD_READ Reply".
struct OffloadReadOutput {
  static constexpr uint32_t kSize = 528;
  static constexpr uint32_t kAllZeroBeyondCurrentRange = 0x00000001;

  uint32_t flags = 0;
  uint64_t transfer_length = 0;
  StorageOffloadToken token;

  static Result<OffloadReadOutput> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.3.43 "FSCTL_OFFLOAD_WRITE Request".
struct OffloadWriteInput {
  static constexpr uint32_t kSize = 544;

  uint64_t file_offset = 0;
  uint64_t copy_length = 0;
  uint64_t transfer_offset = 0;  // into what the token stands for
  StorageOffloadToken token;

  static Result<OffloadWriteInput> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.3.44 "FSCTL_OFFLOAD_WRITE Reply".
struct OffloadWriteOutput {
  static constexpr uint32_t kSize = 16;

  uint64_t length_written = 0;

  static Result<OffloadWriteOutput> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
