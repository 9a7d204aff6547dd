// Payloads of FSCTL_SRV_REQUEST_RESUME_KEY and FSCTL_SRV_COPYCHUNK(_WRITE).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

using ResumeKey = std::array<uint8_t, 24>;

// [MS-SMB2] 2.2.32.3 "SRV_REQUEST_RESUME_KEY Response".
struct SrvRequestResumeKeyResponse {
  static constexpr size_t kSize = 32;  // with the four bytes that Windows sends for Context

  ResumeKey resume_key{};

  static Result<SrvRequestResumeKeyResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.31.1.1 "SRV_COPYCHUNK".
struct SrvCopychunk {
  uint64_t source_offset = 0;
  uint64_t target_offset = 0;
  uint32_t length = 0;

  bool operator==(const SrvCopychunk&) const = default;
};

// [MS-SMB2] 2.2.31.1 "SRV_COPYCHUNK_COPY". As many chunks as the input holds: the server's own
// limits are for the command, which answers with them.
struct SrvCopychunkCopy {
  ResumeKey source_key{};
  std::vector<SrvCopychunk> chunks;

  static Result<SrvCopychunkCopy> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.32.1 "SRV_COPYCHUNK_RESPONSE". With STATUS_INVALID_PARAMETER the fields are the
// server's limits: chunks, bytes of a chunk, bytes of a request.
struct SrvCopychunkResponse {
  static constexpr size_t kSize = 12;

  uint32_t chunks_written = 0;
  uint32_t chunk_bytes_written = 0;
  uint32_t total_bytes_written = 0;

  static Result<SrvCopychunkResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
