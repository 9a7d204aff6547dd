// SMB2 SERVER_TO_CLIENT notification.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

enum class NotificationType : uint32_t { kSmbNotifySessionClosed = 0x00000000 };

// [MS-SMB2] 2.2.44.1 "Server to Client Notification" with 2.2.44.2 "SMB2 Notify Session Closed",
// the only notification there is: it has no fields of its own.
struct ServerToClientNotification {
  NotificationType notification_type = NotificationType::kSmbNotifySessionClosed;

  static Result<ServerToClientNotification> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire
