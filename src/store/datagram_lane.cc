#include "store/datagram_lane.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/socket_message.h"

namespace braid::store {
namespace {

// Room for some thousands of messages of the usual size; the kernel may give less.
constexpr int kBufferBytes = 4 << 20;

// Of a socket's buffer, not for a message itself.
constexpr size_t kHeadBytes = 64;

// When a socket has room and takes nothing: too many descriptors are on their way.
constexpr int kTryAgainMs = 20;

bool send_parts(int socket, ByteView heading, ByteView payload, int fd) {
  std::array<iovec, 2> parts{{{const_cast<uint8_t*>(heading.data()), heading.size()},
                              {const_cast<uint8_t*>(payload.data()), payload.size()}}};
  return send_socket_message(socket, parts, fd).has_value();
}

}  // namespace

Result<DatagramLane::Pair> DatagramLane::make_pair(size_t message_max) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0) return fail_last_os();
  Pair pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
  if (::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &kBufferBytes, sizeof kBufferBytes) != 0) {
    ::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof kBufferBytes);
  }
  // One that never fits would keep all behind it waiting.
  int given = 0;
  socklen_t size = sizeof given;
  if (::getsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &given, &size) != 0) return fail_last_os();
  if (static_cast<size_t>(given) < message_max + kHeadBytes) return fail_os(ENOBUFS);
  return pair;
}

DatagramLane::DatagramLane(UniqueFd receive, std::vector<UniqueFd> send, size_t message_max,
                           Sink sink)
    : receive_(std::move(receive)),
      receivers_(send.size()),
      message_max_(message_max),
      sink_(std::move(sink)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  for (size_t i = 0; i < send.size(); ++i) receivers_[i].socket = std::move(send[i]);
}

DatagramLane::~DatagramLane() { stop(); }

bool DatagramLane::send(size_t worker, ByteView heading, ByteView payload, int fd, IfFull if_full) {
  if (worker >= receivers_.size()) return false;
  Receiver& to = receivers_[worker];
  if (!to.is_behind && send_parts(to.socket.get(), heading, payload, fd)) return true;
  if (if_full == IfFull::kMiss) return false;
  Message message;
  message.bytes.reserve(heading.size() + payload.size());
  message.bytes.assign(heading.begin(), heading.end());
  message.bytes.insert(message.bytes.end(), payload.begin(), payload.end());
  if (fd >= 0) {
    message.fd.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!message.fd) return false;
  }
  {
    auto waiting = to.waiting.lock();
    const size_t size = message.bytes.size();
    if (if_full == IfFull::kWaitBounded && waiting->bytes + size > MessageBus::kWaitingMax) {
      return false;
    }
    waiting->bytes += size;
    waiting->messages.push_back(std::move(message));
    to.is_behind = true;
  }
  wake();
  return true;
}

void DatagramLane::want_room(size_t worker) {
  receivers_[worker].waiting.lock()->wants_room = true;
  wake();
}

void DatagramLane::start() {
  thread_ = std::thread([this] { run(); });
}

void DatagramLane::stop() {
  if (!thread_.joinable()) return;
  stops_ = true;
  wake();
  thread_.join();
}

void DatagramLane::wake() { ::eventfd_write(wake_.get(), 1); }

void DatagramLane::run() {
  const auto room = std::make_unique_for_overwrite<uint8_t[]>(message_max_);
  std::vector<pollfd> waits;
  std::vector<size_t> behind;                    // of which worker each of `waits` after two is
  std::vector<bool> refused(receivers_.size());  // to be tried again, whatever its socket says
  while (true) {
    waits.assign({{receive_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}});
    behind.clear();
    int timeout = -1;
    for (size_t i = 0; i < receivers_.size(); ++i) {
      auto waiting = receivers_[i].waiting.lock();
      if (waiting->messages.empty() && !waiting->wants_room) continue;
      behind.push_back(i);
      const short wanted = refused[i] ? 0 : POLLOUT;
      waits.push_back({receivers_[i].socket.get(), wanted, 0});
      if (refused[i]) timeout = kTryAgainMs;
    }
    if (::poll(waits.data(), waits.size(), timeout) < 0) continue;
    if (stops_) return;
    if (eventfd_t count; waits[1].revents != 0) ::eventfd_read(wake_.get(), &count);
    if (waits[0].revents != 0) take_some({room.get(), message_max_});
    sink_.turn_ends();
    for (size_t i = 0; i < behind.size(); ++i) {
      const size_t worker = behind[i];
      if (!refused[worker] && waits[i + 2].revents == 0) continue;
      refused[worker] = !send_waiting(worker);
    }
  }
}

void DatagramLane::take_some(MutableByteView room) {
  for (size_t i = 0; i < kTurn; ++i) {
    auto got = receive_socket_message(receive_.get(), room);
    if (!got) return;
    sink_.received({room.data(), got->size}, std::move(got->fd), got->is_fd_lost);
  }
}

bool DatagramLane::send_waiting(size_t worker) {
  Receiver& to = receivers_[worker];
  {
    auto waiting = to.waiting.lock();
    bool sent_any = false;
    while (!waiting->messages.empty()) {
      const Message& next = waiting->messages.front();
      if (!send_parts(to.socket.get(), next.bytes, {}, next.fd.get())) return sent_any;
      sent_any = true;
      waiting->bytes -= next.bytes.size();
      waiting->messages.pop_front();
    }
    to.is_behind = false;
    if (!std::exchange(waiting->wants_room, false)) return true;
  }
  sink_.has_room(worker);
  return true;
}

}  // namespace braid::store
