// SMB2 OPLOCK_BREAK: six messages of two shapes, told apart by direction and StructureSize.
#pragma once

#include <cstdint>
#include <variant>

#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/smb2/create.h"
#include "wire/writer.h"

namespace braid::wire {

// The body that all three oplock messages share.
struct OplockBreakBody {
  OplockLevel oplock_level = OplockLevel::kNone;
  FileId file_id;
  bool operator==(const OplockBreakBody&) const = default;
};

// [MS-SMB2] 2.2.23.1 "Oplock Break Notification".
struct OplockBreakNotification : OplockBreakBody {
  static constexpr uint16_t kStructureSize = 24;
  static Result<OplockBreakNotification> decode(Reader& r);
  void encode(Writer& w) const;
};
// [MS-SMB2] 2.2.24.1 "Oplock Break Acknowledgment".
struct OplockBreakAcknowledgment : OplockBreakBody {
  static constexpr uint16_t kStructureSize = 24;
  static Result<OplockBreakAcknowledgment> decode(Reader& r);
  void encode(Writer& w) const;
};
// [MS-SMB2] 2.2.25.1 "Oplock Break Response".
struct OplockBreakResponse : OplockBreakBody {
  static constexpr uint16_t kStructureSize = 24;
  static Result<OplockBreakResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.23.2 "Lease Break Notification".
struct LeaseBreakNotification {
  static constexpr uint16_t kStructureSize = 44;
  static constexpr uint32_t kFlagAckRequired = 0x00000001;

  uint16_t new_epoch = 0;  // lease version 2
  uint32_t flags = 0;
  LeaseKey lease_key;
  uint32_t current_lease_state = 0;  // LeaseState
  uint32_t new_lease_state = 0;      // LeaseState

  static Result<LeaseBreakNotification> decode(Reader& r);
  void encode(Writer& w) const;
};

struct LeaseBreakBody {
  uint32_t flags = 0;  // reserved
  LeaseKey lease_key;
  uint32_t lease_state = 0;  // LeaseState
  bool operator==(const LeaseBreakBody&) const = default;
};
// [MS-SMB2] 2.2.24.2 "Lease Break Acknowledgment".
struct LeaseBreakAcknowledgment : LeaseBreakBody {
  static constexpr uint16_t kStructureSize = 36;
  static Result<LeaseBreakAcknowledgment> decode(Reader& r);
  void encode(Writer& w) const;
};
// [MS-SMB2] 2.2.25.2 "Lease Break Response".
struct LeaseBreakResponse : LeaseBreakBody {
  static constexpr uint16_t kStructureSize = 36;
  static Result<LeaseBreakResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

// What a client may send as OPLOCK_BREAK. Malformed for any other StructureSize.
using BreakAcknowledgment = std::variant<OplockBreakAcknowledgment, LeaseBreakAcknowledgment>;
Result<BreakAcknowledgment> decode_break_acknowledgment(Reader& r);

// What a server may send unasked (message id all ones).
using BreakNotification = std::variant<OplockBreakNotification, LeaseBreakNotification>;
Result<BreakNotification> decode_break_notification(Reader& r);

// What a server answers to an acknowledgment.
using BreakResponse = std::variant<OplockBreakResponse, LeaseBreakResponse>;
Result<BreakResponse> decode_break_response(Reader& r);

}  // namespace braid::wire
