// What goes with data of READ and WRITE that a network card moves and that is protected for itself.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/smb2/read.h"
#include "wire/writer.h"

namespace braid::wire {

// Connection.RDMATransformIds: the transforms that both sides have.
struct RdmaTransforms {
  bool encryption = false;
  bool signing = false;

  bool any() const { return encryption || signing; }
};

// SMB2_RDMA_TRANSFORM_TYPE_*
enum class RdmaTransformType : uint16_t { kEncryption = 0x0001, kSigning = 0x0002 };

// [MS-SMB2] 2.2.43.1 "SMB2_RDMA_CRYPTO_TRANSFORM". How long signature and nonce are to be is for
// who knows the algorithm; views into the message when decoded.
struct RdmaCryptoTransform {
  RdmaTransformType transform_type{};
  ByteView signature;
  ByteView nonce;
};

// [MS-SMB2] 2.2.43 "SMB2_RDMA_TRANSFORM", with the transform that follows it: of those there are
// never two together.
struct RdmaTransform {
  static constexpr size_t kSize = 16;  // the structure alone

  Channel channel = Channel::kNone;  // or kRdmaV1 or kRdmaV1Invalidate
  RdmaCryptoTransform crypto_transform;
  ByteView rdma_descriptors;  // SMB_DIRECT_BUFFER_DESCRIPTOR_V1 each; empty with Channel::kNone

  // It is all that `r` was made with, or its beginning. Malformed: none or more than one transform,
  // one that is not known, another channel, or descriptors anywhere but at the first multiple of 8
  // behind the transform.
  static Result<RdmaTransform> decode(Reader& r);
  // REQUIRES: nothing was written to `w` before.
  void encode(Writer& w) const;
};

}  // namespace braid::wire
