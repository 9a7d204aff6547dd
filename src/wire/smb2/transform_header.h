// The envelope of an encrypted message.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/smb2/header.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.41 "SMB2 TRANSFORM_HEADER". The encrypted message follows it.
struct TransformHeader {
  static constexpr size_t kSize = 52;
  static constexpr size_t kSignatureOffset = 4;
  // The cipher authenticates the header from here to its end.
  static constexpr size_t kAuthenticatedOffset = 20;
  static constexpr uint16_t kFlagEncrypted = 0x0001;  // also the number of AES-128-CCM in 3.0

  Signature signature{};
  std::array<uint8_t, 16> nonce{};  // CCM uses the first 11 bytes, GCM the first 12
  uint32_t original_message_size = 0;
  uint16_t flags = 0;
  SessionId session_id;

  static Result<TransformHeader> decode(Reader& r);
  void encode(Writer& w) const;

  bool operator==(const TransformHeader&) const = default;
};

}  // namespace braid::wire
