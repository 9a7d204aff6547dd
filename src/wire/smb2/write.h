// SMB2 WRITE.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/smb2/read.h"
#include "wire/writer.h"

namespace braid::wire {

// SMB2_WRITEFLAG_*
struct WriteFlags {
  static constexpr uint32_t kWriteThrough = 0x00000001;
  static constexpr uint32_t kWriteUnbuffered = 0x00000002;
};

// [MS-SMB2] 2.2.21 "SMB2 WRITE Request".
struct WriteRequest {
  static constexpr uint16_t kDataOffset = 0x70;  // right behind the fixed part
  // [MS-SMB2] 3.3.5.13 "Receiving an SMB2 WRITE Request" refuses data that starts further away.
  static constexpr uint16_t kDataOffsetMax = 0x100;

  uint64_t offset = 0;
  FileId file_id;
  Channel channel = Channel::kNone;
  uint32_t remaining_bytes = 0;  // with RDMA: bytes to fetch
  uint32_t flags = 0;            // WriteFlags
  ByteView data;                 // into the message when decoded
  ByteView write_channel_info;   // likewise; empty with Channel::kNone

  // With a channel: there are Length or DataOffset as well. Before 3.0 Channel is reserved, so it
  // is for who knows the dialect to refuse.
  bool has_both = false;

  // Malformed: DataOffset above kDataOffsetMax.
  static Result<WriteRequest> decode(Reader& r);
  void encode(Writer& w) const;
  // The 48 bytes that precede a payload of `length` bytes, which the caller sends itself; `data`
  // and `write_channel_info` are not looked at. REQUIRES: no channel.
  void encode_head(Writer& w, uint32_t length) const;
};

// [MS-SMB2] 2.2.22 "SMB2 WRITE Response".
struct WriteResponse {
  uint32_t count = 0;
  uint32_t remaining = 0;

  static Result<WriteResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
