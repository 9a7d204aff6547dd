#include "apps/braidd/link.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "apps/braidd/limits.h"
#include "base/socket_message.h"

namespace braid::braidd {
namespace {

// Both ends are the same program, so native order will do.
struct Heading {
  MessageKind kind;
  uint32_t reserved;
  uint64_t number;
};

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> make_link() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail_last_os();
  UniqueFd first(ends[0]), second(ends[1]);
  for (const int end : ends) {
    ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kLinkBufferBytes, sizeof kLinkBufferBytes);
  }
  return std::pair(std::move(first), std::move(second));
}

Result<void> send_message(int link, MessageKind kind, uint64_t number, int fd, ByteView payload) {
  Heading heading{kind, 0, number};
  std::array<iovec, 2> parts{
      {{&heading, sizeof heading}, {const_cast<uint8_t*>(payload.data()), payload.size()}}};
  return send_socket_message(link, parts, fd);
}

Result<void> send_message_waiting(int link, MessageKind kind, uint64_t number, int fd,
                                  ByteView payload) {
  while (true) {
    auto sent = send_message(link, kind, number, fd, payload);
    if (sent || !sent.error().is_os(EAGAIN)) return sent;
    pollfd writable{link, POLLOUT, 0};
    ::poll(&writable, 1, -1);
  }
}

Result<Message> receive_message(int link) {
  // One for each thread: much for a stack, little for a process.
  thread_local std::array<uint8_t, sizeof(Heading) + kLinkMessageMax> bytes;
  Result<SocketMessage> got = receive_socket_message(link, bytes);
  // A peer that ends with messages unread resets this side once; what it sent before can still be
  // read after that.
  while (!got && got.error().is_os(ECONNRESET)) got = receive_socket_message(link, bytes);
  if (!got) return std::unexpected(got.error());
  if (got->size == 0) return fail_os(EPIPE);

  Heading heading;
  if (got->size < sizeof heading || got->is_cut) return fail(Error::malformed());
  std::memcpy(&heading, bytes.data(), sizeof heading);
  Message received;
  received.kind = heading.kind;
  received.number = heading.number;
  received.fd = std::move(got->fd);
  received.is_fd_lost = got->is_fd_lost;
  received.payload =
      Buffer::copy_of(ByteView(bytes).subspan(sizeof heading, got->size - sizeof heading));
  return received;
}

Result<Message> receive_message_waiting(int link) {
  while (true) {
    auto message = receive_message(link);
    if (message || !message.error().is_os(EAGAIN)) return message;
    pollfd readable{link, POLLIN, 0};
    ::poll(&readable, 1, -1);
  }
}

}  // namespace braid::braidd
