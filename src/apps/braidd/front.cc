#include "apps/braidd/front.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "apps/braidd/link.h"
#include "base/log.h"

namespace braid::braidd {
namespace {

// What an epoll event is about: the kind above, an index or key below. Keys are never used twice,
// so an event of this round for an entry that went away in it finds nothing.
enum Tag : uint64_t { kControl, kListener, kPendingTag, kLinkTag, kBeforeTag };
constexpr uint64_t tagged(Tag tag, uint64_t value) { return uint64_t{tag} << 56 | value; }

Clock::Instant::duration in_clock(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<Clock::Instant::duration>(time);
}

}  // namespace

Front::Front(Options options)
    : control_(std::move(options.control)),
      listeners_(std::move(options.listeners)),
      limits_(options.limits),
      clock_(options.clock),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      pending_(options.limits) {
  for (size_t i = 0; i < options.workers; ++i) workers_.emplace_back(options.limits);
  watch(control_.get(), tagged(kControl, 0), EPOLLIN, EPOLL_CTL_ADD);
  for (size_t i = 0; i < listeners_.size(); ++i) {
    watch(listeners_[i].socket.get(), tagged(kListener, i), EPOLLIN, EPOLL_CTL_ADD);
  }
  if (options.is_held) set_accepting(false);
}

void Front::run() {
  using namespace std::chrono_literals;
  send_message(control_.get(), MessageKind::kReady);
  while (!finished_) step(1h);
}

void Front::watch(int fd, uint64_t tag, uint32_t events, int operation) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  ::epoll_ctl(epoll_.get(), operation, fd, &event);
}

int Front::wait_ms(std::chrono::milliseconds wait_max) const {
  std::optional<Clock::Instant> next = pending_.next_deadline();
  const auto consider = [&](std::optional<Clock::Instant> other) {
    if (other && (!next || *other < *next)) next = other;
  };
  for (const Handover& worker : workers_) consider(worker.next_deadline());
  consider(accept_again_);
  consider(drain_deadline_);
  if (!next) return static_cast<int>(wait_max.count());
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - clock_.monotonic());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, wait_max.count()));
}

void Front::step(std::chrono::milliseconds wait_max) {
  std::array<epoll_event, 64> events;
  const int count =
      ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait_ms(wait_max));
  for (int i = 0; i < count && !finished_; ++i) {
    const auto& event = events[static_cast<size_t>(i)];
    const uint64_t value = event.data.u64 & ((uint64_t{1} << 56) - 1);
    switch (static_cast<Tag>(event.data.u64 >> 56)) {
      case kControl:
        on_control();
        break;
      case kListener:
        on_listener(value);
        break;
      case kPendingTag:
        on_pending(value);
        break;
      case kLinkTag:
        on_link(value, event.events);
        break;
      case kBeforeTag:
        on_before();
        break;
    }
  }
  on_time(clock_.monotonic());
}

void Front::on_control() {
  while (!finished_) {
    auto message = receive_message(control_.get());
    if (!message) {
      // Without its supervisor a front serves nobody: no worker that dies would come back.
      if (!message.error().is_os(EAGAIN)) finished_ = true;
      return;
    }
    if (message->is_fd_lost) {
      // Without the link a worker would stay out of reach. The next front gets all of them.
      log::error("no descriptor for the link to worker {}", message->number);
      finished_ = true;
    } else if (message->kind == MessageKind::kDrain) {
      start_drain();
    } else if (message->kind == MessageKind::kAccept) {
      if (!drain_deadline_) set_accepting(true);
    } else if (message->kind == MessageKind::kHeir) {
      hand_to(std::move(message->fd));
    } else if (message->kind == MessageKind::kBefore) {
      before_ = std::move(message->fd);
      watch(before_.get(), tagged(kBeforeTag, 0), EPOLLIN, EPOLL_CTL_ADD);
    } else if (message->kind == MessageKind::kLogLevel) {
      log::set_level(static_cast<log::Level>(message->number));
    } else if (message->kind == MessageKind::kLink && message->number < workers_.size()) {
      const auto worker = static_cast<size_t>(message->number);
      workers_[worker].connect(std::move(message->fd));
      on_passed_on(worker);
      if (workers_[worker].link() < 0) continue;
      watch(workers_[worker].link(), tagged(kLinkTag, worker), EPOLLIN, EPOLL_CTL_ADD);
      rewatch(worker);
    }
  }
}

void Front::on_listener(size_t index) {
  for (size_t i = 0; i < limits_.accepts_per_wake && accepting_; ++i) {
    sockaddr_storage peer{};
    socklen_t peer_size = sizeof peer;
    UniqueFd socket(::accept4(listeners_[index].socket.get(), reinterpret_cast<sockaddr*>(&peer),
                              &peer_size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        log::warn("out of descriptors or memory for new connections");
        pending_.drop_oldest();
        accept_again_ = clock_.monotonic() + in_clock(limits_.accept_pause);
        set_accepting(false);
      }
      return;  // EAGAIN, or a client that gave up: the next event comes by itself
    }
    const int fd = socket.get();
    const auto key = pending_.add(std::move(socket), peer_address(peer), clock_.monotonic(),
                                  listeners_[index].service);
    if (!key) {
      note_crowd(transport::SocketAddress(reinterpret_cast<const sockaddr*>(&peer), peer_size));
      continue;
    }
    watch(fd, tagged(kPendingTag, *key), EPOLLIN, EPOLL_CTL_ADD);
  }
}

// Whoever waits there at the same time, behind one gateway perhaps, is turned away as well.
void Front::note_crowd(const transport::SocketAddress& peer) {
  ++crowd_dropped_;
  const Clock::Instant now = clock_.monotonic();
  if (crowd_told_at_ && now - *crowd_told_at_ < in_clock(std::chrono::minutes(1))) return;
  crowd_told_at_ = now;
  log::info(
      "{}: has too many connections that say nothing; {} dropped, of all addresses, since "
      "the last such line",
      peer.host(), std::exchange(crowd_dropped_, 0));
}

void Front::on_pending(uint64_t key) {
  if (pending_.read(key) != PendingList::Progress::kComplete) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, pending_.fd(key), nullptr);
  auto [socket, frame, service] = pending_.take(key);
  if (service != Service::kSmb) {
    const auto kind = service == Service::kWitness ? MessageKind::kWitnessConnection
                                                   : MessageKind::kMapperConnection;
    return hand_over(kRpcWorker, kind, std::move(socket), std::move(frame));
  }
  const auto first = decode_first_frame(frame.view());
  if (!first) {
    log::debug("a connection was dropped: its first message is no NEGOTIATE");
    return;
  }
  hand_over(worker_for(*first), MessageKind::kConnection, std::move(socket), std::move(frame));
}

void Front::hand_over(size_t worker, MessageKind kind, UniqueFd socket, Buffer frame) {
  if (!workers_[worker].add(kind, std::move(socket), std::move(frame), clock_.monotonic())) {
    log::warn("a connection was dropped: too many wait for worker {}", worker);
  }
  rewatch(worker);
}

void Front::on_passed_on(size_t worker) {
  for (Message& message : workers_[worker].take_passed_on()) {
    const auto frame = decode_first_frame(message.payload.view());
    if (!message.fd || !frame || !frame->client_guid) continue;
    hand_over(worker_for(*frame), MessageKind::kContinued, std::move(message.fd),
              std::move(message.payload));
  }
}

size_t Front::worker_for(const FirstFrame& frame) {
  if (frame.client_guid) return worker_of(*frame.client_guid, workers_.size());
  return next_worker_++ % workers_.size();
}

void Front::on_link(size_t worker, uint32_t events) {
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) workers_[worker].receive();
  if (events & EPOLLOUT) workers_[worker].send();
  on_passed_on(worker);
  rewatch(worker);
}

// A link that ended has left epoll with its descriptor.
void Front::rewatch(size_t worker) {
  const int link = workers_[worker].link();
  if (link < 0) return;
  const uint32_t room = workers_[worker].wants_room() ? EPOLLOUT : 0;
  watch(link, tagged(kLinkTag, worker), EPOLLIN | room, EPOLL_CTL_MOD);
}

void Front::set_accepting(bool accepting) {
  accepting_ = accepting;
  for (size_t i = 0; i < listeners_.size(); ++i) {
    watch(listeners_[i].socket.get(), tagged(kListener, i), accepting ? EPOLLIN : 0, EPOLL_CTL_MOD);
  }
}

void Front::start_drain() {
  if (drain_deadline_) return;
  drain_deadline_ = clock_.monotonic() + in_clock(limits_.drain_time);
  accepting_ = false;
  accept_again_.reset();
  listeners_.clear();
  pending_.clear();
}

void Front::hand_to(UniqueFd heir) {
  finished_ = true;
  for (size_t worker = 0; worker < workers_.size(); ++worker) {
    workers_[worker].receive();
    on_passed_on(worker);
  }
  const auto give = [&heir](MessageKind kind, uint64_t number, int socket, ByteView bytes) {
    (void)send_message_waiting(heir.get(), kind, number, socket, bytes);
  };
  for (Handover& worker : workers_) {
    for (const auto& each : worker.take_waiting()) {
      give(each.kind, 0, each.socket.get(), each.first_frame.view());
    }
  }
  for (const auto& each : pending_.take_all()) {
    give(MessageKind::kPending, static_cast<uint64_t>(each.service), each.socket.get(), each.got);
  }
}

void Front::on_before() {
  while (before_) {
    auto message = receive_message(before_.get());
    if (!message) {
      if (!message.error().is_os(EAGAIN)) before_.reset();
      return;
    }
    if (!message->fd) continue;
    const auto frame = decode_first_frame(message->payload.view());
    switch (message->kind) {
      case MessageKind::kPending:
        take_pending(std::move(*message));
        break;
      case MessageKind::kMapperConnection:
      case MessageKind::kWitnessConnection:
        hand_over(kRpcWorker, message->kind, std::move(message->fd), std::move(message->payload));
        break;
      case MessageKind::kConnection:
      case MessageKind::kContinued:
        if (!frame) break;
        hand_over(worker_for(*frame), message->kind, std::move(message->fd),
                  std::move(message->payload));
        break;
      default:
        break;
    }
  }
}

void Front::take_pending(Message message) {
  if (message.number > static_cast<uint64_t>(Service::kWitness)) return;
  const int fd = message.fd.get();
  const auto key = pending_.add(std::move(message.fd), peer_address_of(fd), clock_.monotonic(),
                                static_cast<Service>(message.number));
  if (!key || !pending_.resume(*key, message.payload.view())) return;
  watch(fd, tagged(kPendingTag, *key), EPOLLIN, EPOLL_CTL_ADD);
}

void Front::on_time(Clock::Instant now) {
  if (const size_t count = pending_.expire(now); count > 0) {
    log::debug("{} connections were dropped: no complete first message in time", count);
  }
  for (Handover& worker : workers_) {
    if (const size_t count = worker.expire(now); count > 0) {
      log::warn("{} connections were dropped: no worker took them in time", count);
    }
    // Room in flight may have come from what expired.
    worker.send();
  }
  if (accept_again_ && *accept_again_ <= now) {
    accept_again_.reset();
    set_accepting(true);
  }
  finish_if_drained(now);
}

void Front::finish_if_drained(Clock::Instant now) {
  if (!drain_deadline_) return;
  finished_ |= *drain_deadline_ <= now || std::ranges::all_of(workers_, &Handover::empty);
}

}  // namespace braid::braidd
