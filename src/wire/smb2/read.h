// SMB2 READ.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// SMB2_CHANNEL_*: where the payload of READ and WRITE travels.
enum class Channel : uint32_t {
  kNone = 0,
  kRdmaV1 = 1,
  kRdmaV1Invalidate = 2,
  kRdmaTransform = 3,
};

// SMB2_READFLAG_* of requests.
struct ReadFlags {
  static constexpr uint8_t kReadUnbuffered = 0x01;
  static constexpr uint8_t kRequestCompressed = 0x02;
};
// SMB2_READFLAG_RESPONSE_*
struct ReadResponseFlags {
  static constexpr uint32_t kNone = 0x00000000;
  static constexpr uint32_t kRdmaTransform = 0x00000001;
};

// [MS-SMB2] 2.2.19 "SMB2 READ Request".
struct ReadRequest {
  uint8_t padding = 0;  // offset at which the client would like the payload
  uint8_t flags = 0;    // ReadFlags
  uint32_t length = 0;
  uint64_t offset = 0;
  FileId file_id;
  uint32_t minimum_count = 0;
  Channel channel = Channel::kNone;
  uint32_t remaining_bytes = 0;
  ByteView read_channel_info;  // into the message when decoded; empty with Channel::kNone

  static Result<ReadRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.20 "SMB2 READ Response".
struct ReadResponse {
  static constexpr uint8_t kDataOffset = 0x50;  // right behind the fixed part

  uint32_t data_remaining = 0;
  uint32_t flags = 0;  // ReadResponseFlags, 3.1.1; reserved before
  ByteView data;       // into the message when decoded

  static Result<ReadResponse> decode(Reader& r);
  void encode(Writer& w) const;
  // The 16 bytes and `padding` zeros that precede a payload of `data_length` bytes, which the
  // caller sends itself; `data` is not looked at.
  void encode_head(Writer& w, uint32_t data_length, uint8_t padding = 0) const;
};

}  // namespace braid::wire
