#include "smb2/logons/session_notice.h"

#include <utility>
#include <vector>

#include "wire/smb2/header.h"
#include "wire/smb2/negotiate.h"
#include "wire/smb2/server_to_client_notification.h"

namespace braid::smb2 {

bool supports_notifications(const Connection& connection) {
  return (connection.negotiated.server_capabilities & wire::Capabilities::kNotifications) != 0;
}

bool supports_notifications(const Session& session) {
  for (const auto& channel : session.channels()) {
    if (const auto connection = channel->connection.lock()) {
      return supports_notifications(*connection);
    }
  }
  return false;
}

void tell_session_closed(const Session& session) {
  const SessionSecurity* const security = session.security();
  if (!security) return;
  for (const auto& channel : session.channels()) {
    const auto connection = channel->connection.lock();
    if (!connection || connection->transport().is_closed()) continue;
    if (!supports_notifications(*connection)) return;
    OutMessage notice;
    wire::Writer writer(notice.message);
    wire::Header header;
    header.command = wire::Command::kServerToClientNotification;
    header.flags = wire::HeaderFlags::kServerToRedir;
    header.message_id = MessageId{~uint64_t{0}};
    header.session_id = session.session_id;
    header.encode(writer);
    wire::ServerToClientNotification{}.encode(writer);
    std::vector<OutMessage> messages;
    messages.push_back(std::move(notice));
    connection->send_messages(std::move(messages), security->encrypt_data ? &session : nullptr);
    return;
  }
}

}  // namespace braid::smb2
