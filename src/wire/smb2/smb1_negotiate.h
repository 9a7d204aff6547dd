// The one SMB1 message an SMB2 server answers.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// SMB_COM_NEGOTIATE as a multi-protocol negotiate sends it, [MS-SMB2] 1.7 "Versioning and
// Capability Negotiation" and 3.3.5.3 "Receiving an SMB_COM_NEGOTIATE"; the layout is
// [MS-CIFS] 2.2.4.52.1.
struct Smb1NegotiateRequest {
  static constexpr std::string_view kSmb2002 = "SMB 2.002";
  static constexpr std::string_view kSmb2Wildcard = "SMB 2.???";
  // Clients offer about ten; more is not a client.
  static constexpr size_t kDialectsMax = 64;

  uint16_t flags2 = 0;
  uint16_t process_id = 0;
  uint16_t multiplex_id = 0;
  std::vector<std::string> dialects;

  bool offers(std::string_view dialect) const;

  // Reads the SMB1 header too: the Reader stands at 0xFF 'S' 'M' 'B'. Malformed for any other SMB1
  // command.
  static Result<Smb1NegotiateRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
