// The verification trailer behind a request's stub data.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "rpc/pdu.h"

namespace braid::rpc {

// What a request says of itself where nobody can have changed it.
struct VerifiedRequest {
  uint32_t call_id = 0;
  uint16_t context_id = 0;
  uint16_t opnum = 0;
  uint32_t drep = kLittleEndianDrep;
  SyntaxId abstract_syntax;
  SyntaxId transfer_syntax;
  bool header_signing = false;  // whether the client's bind said that it supports it
};

// [MS-RPCE] 2.2.2.13 "Verification Trailer", of a request whose body is protected. kAccessDenied: a
// command of it contradicts `request`, or must be understood and is not. Without a trailer there is
// nothing to contradict: clients leave it out where the whole PDU is signed.
Result<void> check_verification_trailer(ByteView stub, const VerifiedRequest& request);

}  // namespace braid::rpc
