// The messages of SMB Direct, and the descriptor of a buffer in the memory of a client.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire::smbdirect {

// [MS-SMBD] 1.7 "Versioning and Capability Negotiation": the only one.
inline constexpr uint16_t kVersion1 = 0x0100;

// Sizes are bytes. Whether a value is one that a connection can work with is for who negotiates.

// [MS-SMBD] 2.2.1 "Negotiate Request Message".
struct NegotiateRequest {
  static constexpr size_t kSize = 20;

  uint16_t min_version = kVersion1;
  uint16_t max_version = kVersion1;
  uint16_t credits_requested = 0;
  uint32_t preferred_send_size = 0;
  uint32_t max_receive_size = 0;
  uint32_t max_fragmented_size = 0;

  static Result<NegotiateRequest> decode(Reader& r);
  void encode(Writer& w) const;
  friend bool operator==(const NegotiateRequest&, const NegotiateRequest&) = default;
};

// [MS-SMBD] 2.2.2 "Negotiate Response Message". With a status that is not 0 the rest is 0, but for
// the versions.
struct NegotiateResponse {
  static constexpr size_t kSize = 32;

  uint16_t min_version = kVersion1;
  uint16_t max_version = kVersion1;
  uint16_t negotiated_version = 0;
  uint16_t credits_requested = 0;
  uint16_t credits_granted = 0;
  NtStatus status = NtStatus::kSuccess;
  uint32_t max_read_write_size = 0;
  uint32_t preferred_send_size = 0;
  uint32_t max_receive_size = 0;
  uint32_t max_fragmented_size = 0;

  static Result<NegotiateResponse> decode(Reader& r);
  void encode(Writer& w) const;
  friend bool operator==(const NegotiateResponse&, const NegotiateResponse&) = default;
};

// SMB_DIRECT_*
struct DataTransferFlags {
  static constexpr uint16_t kResponseRequested = 0x0001;
};

// [MS-SMBD] 2.2.3 "Data Transfer Message".
struct DataTransfer {
  static constexpr size_t kSize = 20;          // without data
  static constexpr uint32_t kDataOffset = 24;  // where this encoder puts data

  uint16_t credits_requested = 0;
  uint16_t credits_granted = 0;
  uint16_t flags = 0;  // DataTransferFlags
  uint32_t remaining_data_length = 0;
  ByteView data;  // into the packet when decoded

  // The packet is all that `r` was made with. Malformed: DataOffset is no multiple of 8, or within
  // the header; truncated: data beyond the end of the packet.
  static Result<DataTransfer> decode(Reader& r) { return decode(r, r.whole()); }
  // `r` has a copy of the first kSize bytes of `packet`, or of all if there are less: for one that
  // stands in memory which others write to.
  static Result<DataTransfer> decode(Reader& r, ByteView packet);
  void encode(Writer& w) const;
  // The bytes that precede a payload of `data_length` bytes, which the caller sends itself: 24, or
  // 20 when there is none. `data` is not looked at.
  void encode_head(Writer& w, uint32_t data_length) const;
};

// [MS-SMBD] 2.2.3.1 "Buffer Descriptor V1 Structure": memory that its owner lets the other side
// reach. READ and WRITE of [MS-SMB2] carry one or more, one behind the other.
struct BufferDescriptorV1 {
  static constexpr size_t kSize = 16;

  uint64_t offset = 0;
  uint32_t token = 0;
  uint32_t length = 0;

  static Result<BufferDescriptorV1> decode(Reader& r);
  void encode(Writer& w) const;
  friend bool operator==(const BufferDescriptorV1&, const BufferDescriptorV1&) = default;
};

// The channel information of [MS-SMB2] 2.2.19 "SMB2 READ Request" and 2.2.21 "SMB2 WRITE Request":
// descriptors to the end. Malformed: none, or a rest that is none. What they describe is for who
// uses them to check.
Result<std::vector<BufferDescriptorV1>> decode_channel_info(ByteView info);
Bytes encode_channel_info(std::span<const BufferDescriptorV1> descriptors);

}  // namespace braid::wire::smbdirect
