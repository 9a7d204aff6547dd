#include "transport/byte_stream.h"

#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "runtime/asio.h"
#include "transport/limits.h"
#include "transport/tcp_socket.h"

namespace braid::transport {
namespace {

class TcpByteStream final : public ByteStream {
  using AsioWait = boost::asio::posix::stream_descriptor;

 public:
  TcpByteStream(Reactor& reactor, UniqueFd socket)
      : reactor_(reactor),
        peer_(SocketAddress::peer_of(socket.get())),
        local_(SocketAddress::local_of(socket.get())),
        descriptor_(reactor.context()) {
    tcp::prepare(socket.get(), kKeepaliveIdle);
    tcp::set_peer_timeout(socket.get(), kTakesNothingMax);
    boost::system::error_code failed;
    descriptor_.assign(socket.get(), failed);
    if (!failed) {
      fd_ = socket.release();
      descriptor_.non_blocking(true, failed);
    }
    if (failed) end(Error::os(failed.value()));
  }

  auto wait(AsioWait::wait_type what) {
    struct Awaiter {
      TcpByteStream& stream;
      AsioWait::wait_type what;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> handle) const {
        stream.descriptor_.async_wait(
            what, [handle, self = stream.this_stream()](const boost::system::error_code&) {
              handle.resume();
            });
      }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this, what};
  }

  Task<Result<Bytes>> receive() override {
    const auto self = shared_from_this();
    for (;;) {
      if (end_error_) co_return fail(*end_error_);
      if (auto bytes = read()) co_return std::move(*bytes);
      if (!end_error_) co_await wait(AsioWait::wait_read);
    }
  }

  void send(Bytes bytes) override {
    if (end_error_ || bytes.empty()) return;
    unsent_ += bytes.size();
    queue_.push_back(std::move(bytes));
    flush();
  }
  size_t unsent() const override { return unsent_; }
  Task<void> writable() override { co_await unsent_at_most(kUnsentPauseSize); }
  Task<void> drained() override { co_await unsent_at_most(0); }

  void close() override {
    const Error why(NtStatus::kConnectionDisconnected);
    if (reactor_.is_current()) return end(why);
    reactor_.post([self = this_stream(), why] { self->end(why); });
  }

  bool is_closed() const override { return end_error_.has_value(); }

  SocketAddress peer() const override { return peer_; }
  SocketAddress local() const override { return local_; }

 private:
  std::shared_ptr<TcpByteStream> this_stream() {
    return std::static_pointer_cast<TcpByteStream>(shared_from_this());
  }

  // Nothing: there is nothing yet, or no more.
  std::optional<Bytes> read() {
    std::array<uint8_t, kReceiveMax> buffer;
    for (;;) {
      const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count > 0) return Bytes(buffer.begin(), buffer.begin() + count);
      if (count < 0 && errno == EINTR) continue;
      if (count == 0) {
        end(Error(NtStatus::kConnectionDisconnected));
      } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
        end(Error::last_os_error());
      }
      return std::nullopt;
    }
  }

  Task<void> unsent_at_most(size_t size) {
    struct Awaiter {
      TcpByteStream& stream;
      size_t size;
      bool await_ready() const { return stream.end_error_ || stream.unsent_ <= size; }
      void await_suspend(std::coroutine_handle<> handle) const {
        stream.waiters_.emplace_back(size, handle);
      }
      void await_resume() const noexcept {}
    };
    const auto self = shared_from_this();
    co_await Awaiter{*this, size};
  }

  void flush() {
    if (waits_for_room_) return;
    while (!end_error_ && !queue_.empty()) {
      const ByteView left = ByteView(queue_.front()).subspan(sent_of_first_);
      const ssize_t count = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count >= 0) {
        unsent_ -= static_cast<size_t>(count);
        sent_of_first_ += static_cast<size_t>(count);
        if (sent_of_first_ < queue_.front().size()) continue;
        queue_.pop_front();
        sent_of_first_ = 0;
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        wait_for_room();
        break;
      } else if (errno != EINTR) {
        end(Error::last_os_error());
      }
    }
    wake();
  }

  void wait_for_room() {
    waits_for_room_ = true;
    descriptor_.async_wait(AsioWait::wait_write,
                           [self = this_stream()](const boost::system::error_code&) {
                             self->waits_for_room_ = false;
                             self->flush();
                           });
  }

  // Through post(): the caller may be in the middle of a send().
  void wake() {
    std::erase_if(waiters_, [&](const auto& waiter) {
      if (!end_error_ && unsent_ > waiter.first) return false;
      reactor_.post([handle = waiter.second] { handle.resume(); });
      return true;
    });
  }

  void end(Error why) {
    if (end_error_) return;
    end_error_ = why;
    queue_.clear();
    unsent_ = 0;
    boost::system::error_code ignored;
    descriptor_.close(ignored);  // ends the waits, too
    wake();
  }

  Reactor& reactor_;
  const SocketAddress peer_;
  const SocketAddress local_;
  boost::asio::posix::stream_descriptor descriptor_;
  int fd_ = -1;
  std::deque<Bytes> queue_;
  size_t sent_of_first_ = 0;
  size_t unsent_ = 0;
  bool waits_for_room_ = false;
  std::vector<std::pair<size_t, std::coroutine_handle<>>> waiters_;
  std::optional<Error> end_error_;
};

}  // namespace

ByteStreamPtr make_byte_stream(Reactor& reactor, UniqueFd socket) {
  return std::make_shared<TcpByteStream>(reactor, std::move(socket));
}

}  // namespace braid::transport
