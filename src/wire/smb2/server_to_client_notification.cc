#include "wire/smb2/server_to_client_notification.h"

namespace braid::wire {
namespace {

// StructureSize, Reserved, NotificationType, and the four reserved bytes of a closed session.
constexpr uint16_t kStructureSize = 12;

}  // namespace

Result<ServerToClientNotification> ServerToClientNotification::decode(Reader& r) {
  ServerToClientNotification notification;
  r.skip(2 + 2);  // senders disagree about StructureSize
  notification.notification_type = r.as<NotificationType>();
  r.skip(4);
  return r.finish(notification);
}

void ServerToClientNotification::encode(Writer& w) const {
  w.u16(kStructureSize);
  w.u16(0);
  w.value(notification_type);
  w.u32(0);
}

}  // namespace braid::wire
