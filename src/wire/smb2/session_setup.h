// SMB2 SESSION_SETUP.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-SMB2] 2.2.5 "SMB2 SESSION_SETUP Request".
struct SessionSetupRequest {
  static constexpr uint8_t kFlagBinding = 0x01;

  uint8_t flags = 0;
  uint8_t security_mode = 0;  // SecurityMode bits
  uint32_t capabilities = 0;  // Capabilities bits
  uint32_t channel = 0;       // reserved
  SessionId previous_session_id;
  ByteView security_buffer;  // into the message when decoded

  static Result<SessionSetupRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.6 "SMB2 SESSION_SETUP Response".
struct SessionSetupResponse {
  static constexpr uint16_t kFlagIsGuest = 0x0001;
  static constexpr uint16_t kFlagIsNull = 0x0002;
  static constexpr uint16_t kFlagEncryptData = 0x0004;

  uint16_t session_flags = 0;
  ByteView security_buffer;  // into the message when decoded

  static Result<SessionSetupResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
