#include "store/datagram_bus.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>

#include "base/socket_message.h"

namespace braid::store {
namespace {

// Room for some thousands of messages of the usual size; the kernel may give less.
constexpr int kBufferBytes = 4 << 20;

// All workers are the same program, so native order will do.
struct Heading {
  Topic topic;
  uint32_t from;
};

constexpr size_t kMessageMax = sizeof(Heading) + MessageBus::kPayloadMax;

}  // namespace

Result<DatagramBus::Pair> DatagramBus::make_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0) return fail_last_os();
  Pair pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
  if (::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &kBufferBytes, sizeof kBufferBytes) != 0) {
    ::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof kBufferBytes);
  }
  return pair;
}

DatagramBus::DatagramBus(const SharedRegion& region, WorkerTag own, UniqueFd receive,
                         std::vector<UniqueFd> send)
    : region_(region),
      own_(own),
      receive_(std::move(receive)),
      send_(std::move(send)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

DatagramBus::~DatagramBus() { stop(); }

void DatagramBus::handle(Topic topic, Handler handler, std::function<void()> missed) {
  subscribers_[static_cast<size_t>(topic)] = {std::move(handler), std::move(missed)};
}

bool DatagramBus::send(size_t worker, Topic topic, ByteView payload, int fd) {
  if (worker >= send_.size()) return false;
  Heading heading{topic, own_.value};
  std::array<iovec, 2> parts{
      {{&heading, sizeof heading}, {const_cast<uint8_t*>(payload.data()), payload.size()}}};
  const bool fits = payload.size() <= kPayloadMax;
  if (fits && send_socket_message(send_[worker].get(), parts, fd)) return true;
  region_.slot(worker).missed_messages = true;
  // It looks when a message wakes it: this one, or those that leave no room for it.
  Heading wake{Topic::kCount, own_.value};
  std::array<iovec, 1> alone{{{&wake, sizeof wake}}};
  (void)send_socket_message(send_[worker].get(), alone, -1);
  return false;
}

void DatagramBus::broadcast(Topic topic, ByteView payload) {
  for (size_t worker = 0; worker < send_.size(); ++worker) {
    if (worker != own_.index() && region_.slot(worker).tag != 0) send(worker, topic, payload, -1);
  }
}

void DatagramBus::start() {
  thread_ = std::thread([this] { run(); });
}

void DatagramBus::stop() {
  if (!thread_.joinable()) return;
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

void DatagramBus::run() {
  const auto room = std::make_unique_for_overwrite<uint8_t[]>(kMessageMax);
  while (true) {
    std::array<pollfd, 2> waits{{{receive_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    if (::poll(waits.data(), waits.size(), -1) < 0) continue;
    if (waits[1].revents != 0) return;
    take_all({room.get(), kMessageMax});
    if (region_.slot(own_.index()).missed_messages.exchange(false)) tell_missed();
  }
}

void DatagramBus::take_all(MutableByteView room) {
  while (auto got = receive_socket_message(receive_.get(), room)) {
    if (got->size < sizeof(Heading)) continue;
    Heading heading;
    std::memcpy(&heading, room.data(), sizeof heading);
    BusMessage received{.from = {heading.from},
                        .payload = {room.data() + sizeof heading, got->size - sizeof heading},
                        .fd = std::move(got->fd)};
    if (heading.topic >= Topic::kCount) continue;
    const Subscriber& subscriber = subscribers_[static_cast<size_t>(heading.topic)];
    if (subscriber.handler) subscriber.handler(received);
  }
}

void DatagramBus::tell_missed() {
  for (const Subscriber& subscriber : subscribers_) {
    if (subscriber.missed) subscriber.missed();
  }
}

}  // namespace braid::store
