#include "store/cluster/keeper_link.h"

#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/socket_message.h"

namespace braid::store::cluster {

Result<void> send(int link, const KeeperMessage& message) {
  KeeperMessage copy = message;
  for (;;) {
    std::array<iovec, 1> parts{{{&copy, sizeof copy}}};
    auto sent = send_socket_message(link, parts);
    if (sent || !sent.error().is_os(EAGAIN)) return sent;
    pollfd writable{link, POLLOUT, 0};
    ::poll(&writable, 1, -1);
  }
}

Result<KeeperMessage> receive(int link) {
  for (;;) {
    KeeperMessage message;
    std::array<uint8_t, sizeof message> bytes{};
    const auto got = receive_socket_message(link, bytes);
    if (got && got->size == 0) return fail_os(EPIPE);
    if (got && (got->size != sizeof message || got->is_cut)) return fail(Error::malformed());
    if (got) {
      std::memcpy(&message, bytes.data(), sizeof message);
      return message;
    }
    if (!got.error().is_os(EAGAIN)) return fail(got.error());
    pollfd readable{link, POLLIN, 0};
    ::poll(&readable, 1, -1);
  }
}

}  // namespace braid::store::cluster
