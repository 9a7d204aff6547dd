#include "transport/tcp_transport.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "runtime/asio.h"
#include "runtime/take_memory.h"
#include "runtime/way_back.h"
#include "transport/acknowledgement_watch.h"
#include "transport/frame_reader.h"
#include "transport/send_queue.h"
#include "transport/tcp_socket.h"

namespace braid::transport {

namespace asio = boost::asio;

namespace {

// Reads in a row before the other connections of the reactor get their turn.
constexpr int kReadsPerTurn = 16;

// How often within the time it has a peer is looked at that takes nothing. When memory is short,
// the first look in vain is the last.
constexpr int kLooksBeforeTimeout = 6;

// While more complete requests wait in the read buffer, their responses are collected up to this.
constexpr uint64_t kCollectMax = 128 * 1024;

// Thread: the reactor's, except for what is marked. Kept alive by every wait that is under way.
class TcpTransport final : public Transport,
                           public AcknowledgementWatch::Stream,
                           public std::enable_shared_from_this<TcpTransport> {
 public:
  TcpTransport(Reactor& reactor, int fd, ByteView already_received, const TcpOptions& options)
      : reactor_(reactor),
        takes_nothing_max_(options.takes_nothing_max),
        descriptor_(reactor.context()),
        fd_(fd),
        peer_(SocketAddress::peer_of(fd)),
        local_(SocketAddress::local_of(fd)) {
    tcp::prepare(fd, options.keepalive_idle);
    if (!already_received.empty()) reader_.seed(already_received);
    boost::system::error_code failed;
    descriptor_.assign(fd, failed);
    if (!failed) {
      open_fd_.lock()->fd = fd;
      descriptor_.non_blocking(true, failed);
    } else {
      ::close(fd);
    }
    if (failed) end(Error::os(failed.value()));
  }

  Task<Result<CountedBuffer>> receive() override;
  void set_receive_limit(size_t size) override { reader_.set_limit(size); }
  void set_account(std::shared_ptr<MemoryAccount> account) override {
    account_ = account;
    reader_.set_account(std::move(account));
  }

  uint64_t send(OutFrame frame) override;
  Task<void> writable() override { co_await unsent_at_most(kUnsentMax); }
  Task<void> drained() override { co_await unsent_at_most(0); }

  uint64_t bytes_queued() const override { return inbox_.lock()->queued; }
  uint64_t bytes_sent() const override { return sent_.load(std::memory_order_relaxed); }
  uint64_t bytes_acknowledged() const override;
  void watch_acknowledgements(AcknowledgementLook look) override { watch_.set(std::move(look)); }
  bool is_suspect() const override { return watch_.is_suspect() || silence().count() > 0; }

  void close() override;
  UniqueFd release() override;
  bool hold() override;
  void go_on() override;
  std::optional<Handed> handed() const override;
  void abort() override;
  void set_peer_timeout(std::chrono::milliseconds limit) override;
  bool is_closed() const override { return closed_.load(std::memory_order_acquire); }
  bool is_peer_gone() const override;
  SocketAddress peer() const override { return peer_; }
  SocketAddress local() const override { return local_; }
  Reactor& reactor() const override { return reactor_; }

  // AcknowledgementWatch::Stream, with bytes_acknowledged(), abort() and peer().
  std::chrono::microseconds retransmission_timeout() const override;
  std::chrono::microseconds silence() const override;

 private:
  // Frames of other threads on their way to queue_, and the one count that orders all frames.
  struct Inbox {
    std::vector<OutFrame> frames;
    uint64_t queued = 0;
    bool posted = false;
  };
  struct OpenFd {
    int fd = -1;
  };
  struct UnsentWaiter {
    uint64_t unsent_max;
    std::coroutine_handle<> handle;
  };

  std::optional<tcp::Retransmissions> retransmissions() const;
  // Reads once; false if nothing was there.
  bool read();
  // Until the account has room for the next message. Nothing is read meanwhile.
  Task<void> wait_for_memory();
  void take_inbox(Inbox& inbox);
  void flush_soon();
  void flush_behind_returns();
  void flush();
  void wait_for_read();
  // Sees to it that the next wait ends when there is something worth reading.
  void set_low_water();
  void wait_for_write();
  // While something waits: looks now and then whether the peer took any.
  void watch_progress();
  void continue_unsent_waiters();
  // What the kernel still holds for the peer goes with the socket.
  void do_not_linger();
  // The one transition: remembers why, drops everything unsent, lets every waiter continue.
  void end(Error why);

  uint64_t unsent() const { return bytes_queued() - bytes_sent(); }

  auto readable() {
    struct Awaiter {
      TcpTransport& transport;
      bool await_ready() const { return transport.end_error_.has_value(); }
      void await_suspend(std::coroutine_handle<> handle) const {
        transport.receiver_ = handle;
        transport.wait_for_read();
      }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }
  // Until nothing is held back any more.
  auto released() {
    struct Awaiter {
      TcpTransport& transport;
      bool await_ready() const { return !transport.is_held_ || transport.end_error_.has_value(); }
      void await_suspend(std::coroutine_handle<> handle) const { transport.held_ = handle; }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }
  void continue_held() {
    if (auto handle = std::exchange(held_, nullptr)) {
      reactor_.post([self = shared_from_this(), handle] { handle.resume(); });
    }
  }
  // Lets the reactor do other work first.
  auto turn() {
    struct Awaiter {
      Reactor& reactor;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> handle) const {
        reactor.post([handle] { handle.resume(); });
      }
      void await_resume() const noexcept {}
    };
    return Awaiter{reactor_};
  }
  Task<void> unsent_at_most(uint64_t count);

  Reactor& reactor_;
  const std::chrono::nanoseconds takes_nothing_max_;
  asio::posix::stream_descriptor descriptor_;
  const int fd_;
  const SocketAddress peer_;
  const SocketAddress local_;

  FrameReader reader_;
  std::shared_ptr<MemoryAccount> account_;
  std::coroutine_handle<> receiver_;
  bool waiting_for_read_ = false;
  size_t low_water_ = 1;  // the socket's
  bool is_held_ = false;
  std::coroutine_handle<> held_;  // the receiver, while that is so
  bool drained_by_read_ = false;  // the last read took all there was
  int reads_in_turn_ = 0;

  SendQueue queue_;
  std::vector<UnsentWaiter> unsent_waiters_;
  bool waiting_for_write_ = false;
  bool flush_posted_ = false;
  bool flush_is_behind_returns_ = false;
  bool is_collecting_ = false;   // something waits for flush()
  bool flushes_behind_ = false;  // who called the receiver flushes when that waits for something
  std::optional<Timer> progress_timer_;  // made by the first wait
  bool watching_progress_ = false;
  int looks_in_vain_ = 0;

  AcknowledgementWatch watch_{reactor_, *this};

  std::optional<Error> end_error_;
  std::atomic<bool> closed_ = false;
  std::atomic<uint64_t> sent_ = 0;
  std::atomic<uint64_t> unacknowledged_at_end_ = 0;
  mutable Guarded<Inbox> inbox_;     // Thread: any
  mutable Guarded<OpenFd> open_fd_;  // the fd for the counters of other threads; -1 once closed
};

Task<Result<CountedBuffer>> TcpTransport::receive() {
  const auto self = shared_from_this();
  for (;;) {
    while (is_held_ && !end_error_) co_await released();
    if (end_error_) co_return fail(*end_error_);
    auto message = reader_.next();
    if (!message) {
      end(message.error());
      continue;
    }
    if (*message) co_return std::move(**message);

    flush();
    if (reader_.starved() > 0) {
      co_await wait_for_memory();
    } else if (reads_in_turn_ >= kReadsPerTurn) {
      reads_in_turn_ = 0;
      co_await turn();
    } else if (drained_by_read_ || !read()) {
      drained_by_read_ = false;
      reads_in_turn_ = 0;
      co_await readable();
    }
  }
}

Task<void> TcpTransport::wait_for_memory() {
  auto charge = co_await take_memory(reactor_, account_, reader_.starved(), MemoryUse::kFrame,
                                     kMemoryPatience, [this] { return end_error_.has_value(); });
  if (charge) {
    reader_.grant(std::move(*charge));
  } else if (!end_error_) {
    account_->budget().count_refusal();
    end(Error(NtStatus::kInsufficientResources));
  }
}

bool TcpTransport::read() {
  if (end_error_) return true;
  FrameReader::Space places;
  msghdr header{};
  header.msg_iov = places.data();
  header.msg_iovlen = reader_.space(places);
  size_t wanted = 0;
  for (size_t i = 0; i < header.msg_iovlen; ++i) wanted += places[i].iov_len;

  ++reads_in_turn_;
  const ssize_t count = recvmsg(fd_, &header, MSG_DONTWAIT);
  if (count < 0) {
    if (errno == EINTR) return true;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
    end(Error::last_os_error());
  } else if (count == 0) {
    end(reader_.at_boundary() ? Error(NtStatus::kConnectionDisconnected) : Error::truncated());
  } else {
    reader_.received(static_cast<size_t>(count));
    drained_by_read_ = static_cast<size_t>(count) < wanted;
  }
  return true;
}

void TcpTransport::wait_for_read() {
  if (std::exchange(waiting_for_read_, true)) return;
  set_low_water();
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [self = shared_from_this()](const boost::system::error_code&) {
                           self->waiting_for_read_ = false;
                           auto handle = std::exchange(self->receiver_, nullptr);
                           if (!handle) return;
                           self->flushes_behind_ = true;
                           handle.resume();
                           self->flushes_behind_ = false;
                           if (self->is_collecting_) self->flush();
                         });
}

void TcpTransport::set_low_water() {
  const size_t missing = reader_.missing();
  const size_t wanted = missing < kLowWaterMin ? 1 : std::min(missing, kLowWaterMax);
  if (std::exchange(low_water_, wanted) != wanted) tcp::set_low_water(fd_, wanted);
}

uint64_t TcpTransport::send(OutFrame frame) {
  const size_t size = SendQueue::size_on_wire(frame);
  if (!reactor_.is_current()) {
    auto inbox = inbox_.lock();
    const uint64_t position = inbox->queued += size;
    if (is_closed()) return position;
    inbox->frames.push_back(std::move(frame));
    if (!std::exchange(inbox->posted, true)) {
      reactor_.post([self = shared_from_this()] {
        self->take_inbox(*self->inbox_.lock());
        self->flush();
      });
    }
    return position;
  }

  uint64_t position = 0;
  {
    auto inbox = inbox_.lock();
    take_inbox(*inbox);
    position = inbox->queued += size;
  }
  if (end_error_) return position;
  queue_.push(std::move(frame));
  const bool may_collect = unsent() < kCollectMax;
  if (may_collect && Returns::come_behind()) {
    flush_behind_returns();
  } else if (may_collect && reader_.has_message()) {
    flush_soon();
  } else {
    flush();
  }
  return position;
}

void TcpTransport::take_inbox(Inbox& inbox) {
  inbox.posted = false;
  for (OutFrame& frame : inbox.frames) {
    if (!end_error_) queue_.push(std::move(frame));
  }
  inbox.frames.clear();
}

// If the connection goes on to wait for something else than the next message, what was collected
// leaves all the same.
void TcpTransport::flush_soon() {
  is_collecting_ = true;
  // What is posted costs one more look at all sockets.
  if (flushes_behind_ || std::exchange(flush_posted_, true)) return;
  reactor_.post([self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

// Who returns next may have something to send, too.
void TcpTransport::flush_behind_returns() {
  if (std::exchange(flush_is_behind_returns_, true)) return;
  Returns::run_behind([self = shared_from_this()] {
    self->flush_is_behind_returns_ = false;
    self->flush();
  });
}

void TcpTransport::flush() {
  is_collecting_ = false;
  if (end_error_ || waiting_for_write_) return;
  while (!queue_.empty()) {
    std::array<iovec, kGatherMax> places;
    msghdr header{};
    header.msg_iov = places.data();
    header.msg_iovlen = queue_.gather(places);
    const ssize_t count = sendmsg(fd_, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return end(Error::last_os_error());
      wait_for_write();
      break;
    }
    queue_.sent(static_cast<size_t>(count));
    sent_.fetch_add(static_cast<uint64_t>(count), std::memory_order_relaxed);
  }
  if (!unsent_waiters_.empty()) continue_unsent_waiters();
}

void TcpTransport::wait_for_write() {
  waiting_for_write_ = true;
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_write,
                         [self = shared_from_this()](const boost::system::error_code&) {
                           self->waiting_for_write_ = false;
                           self->flush();
                         });
  watch_progress();
}

void TcpTransport::watch_progress() {
  if (std::exchange(watching_progress_, true)) return;
  if (!progress_timer_) progress_timer_.emplace(reactor_);
  const auto look = takes_nothing_max_ / kLooksBeforeTimeout;
  progress_timer_->start(look, [weak = weak_from_this(), before = bytes_sent()] {
    const auto self = weak.lock();
    if (!self || self->end_error_) return;
    self->watching_progress_ = false;
    const bool took_some = self->bytes_sent() != before;
    self->looks_in_vain_ = took_some || self->queue_.empty() ? 0 : self->looks_in_vain_ + 1;
    if (self->queue_.empty()) return;
    const bool is_short = self->account_ && self->account_->budget().is_short();
    if (self->looks_in_vain_ < (is_short ? 1 : kLooksBeforeTimeout)) {
      return self->watch_progress();
    }
    self->do_not_linger();
    self->end(Error::os(ETIMEDOUT));
  });
}

Task<void> TcpTransport::unsent_at_most(uint64_t count) {
  const auto self = shared_from_this();
  struct Awaiter {
    TcpTransport& transport;
    uint64_t unsent_max;
    bool await_ready() const { return transport.end_error_ || transport.unsent() <= unsent_max; }
    void await_suspend(std::coroutine_handle<> handle) const {
      transport.unsent_waiters_.push_back({unsent_max, handle});
    }
    void await_resume() const noexcept {}
  };
  if (unsent() > count) flush();
  co_await Awaiter{*this, count};
}

// Through post(): the caller may be in the middle of a send().
void TcpTransport::continue_unsent_waiters() {
  const uint64_t now = unsent();
  std::erase_if(unsent_waiters_, [&](const UnsentWaiter& waiter) {
    if (!end_error_ && now > waiter.unsent_max) return false;
    reactor_.post([handle = waiter.handle] { handle.resume(); });
    return true;
  });
}

uint64_t TcpTransport::bytes_acknowledged() const {
  // In this order: bytes sent in between count as not acknowledged.
  const uint64_t sent = bytes_sent();
  auto open = open_fd_.lock();
  const uint64_t unacknowledged =
      open->fd < 0 ? unacknowledged_at_end_.load() : tcp::unacknowledged(open->fd);
  return sent > unacknowledged ? sent - unacknowledged : 0;
}

std::optional<tcp::Retransmissions> TcpTransport::retransmissions() const {
  auto open = open_fd_.lock();
  return open->fd < 0 ? std::nullopt : tcp::retransmissions(open->fd);
}

std::chrono::microseconds TcpTransport::retransmission_timeout() const {
  const auto now = retransmissions();
  return now ? now->timeout : tcp::kRetransmissionTimeoutUnknown;
}

std::chrono::microseconds TcpTransport::silence() const {
  const auto now = retransmissions();
  return now ? now->silence() : std::chrono::microseconds{};
}

void TcpTransport::close() {
  if (closed_.exchange(true, std::memory_order_acq_rel)) return;
  const Error why(NtStatus::kConnectionDisconnected);
  if (reactor_.is_current()) return end(why);
  reactor_.post([self = shared_from_this(), why] { self->end(why); });
}

bool TcpTransport::is_peer_gone() const {
  auto open = open_fd_.lock();
  return is_closed() || open->fd < 0 || tcp::is_peer_gone(open->fd);
}

void TcpTransport::do_not_linger() {
  auto open = open_fd_.lock();
  if (open->fd >= 0) tcp::do_not_linger(open->fd);
}

void TcpTransport::abort() {
  do_not_linger();
  close();
}

void TcpTransport::set_peer_timeout(std::chrono::milliseconds limit) {
  auto open = open_fd_.lock();
  if (open->fd >= 0) tcp::set_peer_timeout(open->fd, limit);
}

UniqueFd TcpTransport::release() {
  UniqueFd socket;
  if (!end_error_ && reader_.at_boundary() && unsent() == 0) {
    // What is closed below is this transport's descriptor; the connection lives with the other.
    socket.reset(::fcntl(fd_, F_DUPFD_CLOEXEC, 0));
  }
  close();
  return socket;
}

bool TcpTransport::hold() {
  is_held_ = !end_error_;
  return is_held_;
}

void TcpTransport::go_on() {
  is_held_ = false;
  continue_held();
}

std::optional<Transport::Handed> TcpTransport::handed() const {
  if (end_error_ || !is_held_ || unsent() != 0) return std::nullopt;
  return Handed{.socket = fd_, .received = reader_.unread()};
}

void TcpTransport::end(Error why) {
  if (end_error_) return;
  end_error_ = why;
  closed_.store(true, std::memory_order_release);
  queue_.clear();
  progress_timer_.reset();
  {
    auto open = open_fd_.lock();
    if (open->fd >= 0) unacknowledged_at_end_ = tcp::unacknowledged(open->fd);
    open->fd = -1;
  }
  boost::system::error_code ignored;
  descriptor_.close(ignored);  // also ends the waits, which resume receive()
  continue_held();
  continue_unsent_waiters();
}

}  // namespace

TransportPtr make_tcp_transport(Reactor& reactor, int fd, ByteView already_received,
                                TcpOptions options) {
  return std::make_shared<TcpTransport>(reactor, fd, already_received, options);
}

MakeTransport over_tcp(UniqueFd socket, TcpOptions options, Bytes already_received) {
  return [socket = std::move(socket), options,
          received = std::move(already_received)](Reactor& reactor) mutable {
    return make_tcp_transport(reactor, socket.release(), received, options);
  };
}

}  // namespace braid::transport
