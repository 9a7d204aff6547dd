#include "apps/braidd/channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "apps/braidd/limits.h"

namespace braid::braidd {
namespace {

// Both ends are the same program, so native order will do.
struct Heading {
  MessageKind kind;
  uint32_t reserved;
  uint64_t number;
};

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> make_channel() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail_last_os();
  UniqueFd first(ends[0]), second(ends[1]);
  for (const int end : ends) {
    ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kChannelBufferBytes, sizeof kChannelBufferBytes);
  }
  return std::pair(std::move(first), std::move(second));
}

Result<void> send_message(int channel, MessageKind kind, uint64_t number, int fd,
                          ByteView payload) {
  Heading heading{kind, 0, number};
  std::array<iovec, 2> parts{
      {{&heading, sizeof heading}, {const_cast<uint8_t*>(payload.data()), payload.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  if (fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  }
  ssize_t sent;
  do {
    sent = ::sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return fail_last_os();
  return {};
}

Result<void> send_message_waiting(int channel, MessageKind kind, uint64_t number, int fd) {
  while (true) {
    auto sent = send_message(channel, kind, number, fd);
    if (sent || !sent.error().is_os(EAGAIN)) return sent;
    pollfd writable{channel, POLLOUT, 0};
    ::poll(&writable, 1, -1);
  }
}

Result<Message> receive_message(int channel) {
  // One for each thread: much for a stack, little for a process.
  thread_local std::array<uint8_t, sizeof(Heading) + kChannelMessageMax> bytes;
  Heading heading;
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got;
  do {
    got = ::recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    // A peer that ends with messages unread resets this side once; what it sent before can still be
    // read after that.
  } while (got < 0 && (errno == EINTR || errno == ECONNRESET));
  if (got < 0) return fail_last_os();
  if (got == 0) return fail_os(EPIPE);

  Message received;
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    int fd;
    std::memcpy(&fd, CMSG_DATA(each), sizeof fd);
    received.fd.reset(fd);
  }
  const auto size = static_cast<size_t>(got);
  if (size < sizeof heading || (message.msg_flags & MSG_TRUNC)) return fail(Error::malformed());
  std::memcpy(&heading, bytes.data(), sizeof heading);
  received.kind = heading.kind;
  received.number = heading.number;
  received.payload =
      Buffer::copy_of(ByteView(bytes).subspan(sizeof heading, size - sizeof heading));
  return received;
}

}  // namespace braid::braidd
