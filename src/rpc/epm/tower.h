// Tower: a protocol stack with its addresses. [C706] appendix L "Protocol Tower Encoding".
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "rpc/pdu.h"

namespace braid::rpc::epm {

// One of ncacn_ip_tcp: interface, transfer syntax, connection-oriented RPC, TCP, IP.
struct Tower {
  // [MS-RPCE] 2.2.1.2.2 "twr_t Type".
  static constexpr uint32_t kSizeMax = 2000;

  SyntaxId interface;
  SyntaxId transfer_syntax = kNdrSyntax;
  uint16_t port = 0;
  std::array<uint8_t, 4> address{};  // of IPv4; zeros: the one that was asked

  // Unsupported: well formed, and of other protocols.
  static Result<Tower> decode(ByteView octets);
  Bytes encode() const;
};

}  // namespace braid::rpc::epm
