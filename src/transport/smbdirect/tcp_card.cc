#include "transport/smbdirect/tcp_card.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "runtime/asio.h"
#include "runtime/one_shot.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::transport::smbdirect {

namespace asio = boost::asio;

namespace {

constexpr size_t kTcpReceivesMax = 512;
constexpr size_t kTcpRequestsMax = 256;
// The largest read, write or send.
constexpr size_t kTcpTransferMax = size_t{16} << 20;
constexpr size_t kReadAtOnce = 64 * 1024;

enum class TcpOp : uint8_t {
  kAccepted = 1,  // by who listens, before all else
  kSend,
  kRead,
  kWrite,
  kDone,  // the answer to each of those three, in their order; with the data of a read
  kRefused,
};

struct TcpHeader {
  static constexpr size_t kSize = 32;
  TcpOp op{};
  uint32_t length = 0;  // of what follows; of kRead: of what is asked for
  uint64_t offset = 0;
  uint32_t token = 0;
  std::optional<uint32_t> invalidate = {};

  void encode(Bytes& to) const {
    wire::Writer writer(to);
    writer.value(op);
    writer.zeros(3);
    writer.u32(length);
    writer.u64(offset);
    writer.u32(token);
    writer.u32(invalidate ? 1 : 0);
    writer.u32(invalidate.value_or(0));
    writer.u32(0);
  }
  static Result<TcpHeader> decode(ByteView bytes) {
    wire::Reader reader(bytes);
    TcpHeader header;
    header.op = reader.as<TcpOp>();
    reader.expect(header.op >= TcpOp::kAccepted && header.op <= TcpOp::kRefused);
    reader.skip(3);
    header.length = reader.u32();
    reader.expect(header.length <= kTcpTransferMax);
    header.offset = reader.u64();
    header.token = reader.u32();
    const bool invalidates = reader.u32() != 0;
    const uint32_t invalidate = reader.u32();
    if (invalidates) header.invalidate = invalidate;
    return reader.finish(header);
  }
  bool has_data() const { return op == TcpOp::kSend || op == TcpOp::kWrite || op == TcpOp::kDone; }
};

// One end. Each wait holds it weakly; the TcpQueuePair owns it.
class TcpLink : public std::enable_shared_from_this<TcpLink> {
 public:
  using Kind = QueuePair::Kind;
  using Status = QueuePair::Status;
  using Completion = QueuePair::Completion;
  using Remote = QueuePair::Remote;

  TcpLink(Reactor& reactor, UniqueFd socket)
      : reactor_(reactor),
        socket_(reactor.context(), socket.release()),
        random_(std::random_device{}()) {}

  void start() {
    wait_to_read();
    if (!out_.empty()) write_out();
  }
  void say_accepted() { say({.op = TcpOp::kAccepted}); }
  void on_accepted(std::move_only_function<void(bool)> callback) {
    accepted_ = std::move(callback);
  }

  Result<void> post_receive(uint64_t id, MutableByteView to) {
    if (is_lost_) return fail_os(ENOTCONN);
    if (receives_.size() >= kTcpReceivesMax) return fail_os(ENOMEM);
    receives_.push_back({id, Kind::kReceive, to});
    take_sends();
    return {};
  }
  Result<void> post(uint64_t id, Kind kind, MutableByteView memory, TcpHeader header) {
    if (is_lost_) return fail_os(ENOTCONN);
    if (requests_.size() >= kTcpRequestsMax) return fail_os(ENOMEM);
    if (memory.size() > kTcpTransferMax) return fail_os(EINVAL);
    requests_.push_back({id, kind, memory});
    header.length = static_cast<uint32_t>(memory.size());
    say(header, kind == Kind::kRead ? ByteView() : ByteView(memory));
    return {};
  }
  size_t poll(std::span<Completion> into) {
    const size_t count = std::min(into.size(), done_.size());
    for (size_t i = 0; i < count; ++i) {
      into[i] = done_.front();
      done_.pop_front();
    }
    return count;
  }
  void when_completed(std::move_only_function<void()> callback) {
    callback_ = std::move(callback);
    if (!done_.empty()) tell();
  }
  Remote lend(MutableByteView memory, uint8_t access) {
    const auto token = static_cast<uint32_t>(random_());
    const uint64_t address = random_() >> 1;
    regions_[token] = {memory, access, address};
    return {.offset = address, .token = token, .length = static_cast<uint32_t>(memory.size())};
  }
  void unregister(uint32_t token) { regions_.erase(token); }

  void lose() {
    if (std::exchange(is_lost_, true)) return;
    ::shutdown(socket_.native_handle(), SHUT_RDWR);
    boost::system::error_code ignored;
    socket_.cancel(ignored);
    for (const Posted& each : std::exchange(requests_, {})) {
      done_.push_back({.id = each.id, .kind = each.kind, .status = Status::kFlushed});
    }
    for (const Posted& each : std::exchange(receives_, {})) {
      done_.push_back({.id = each.id, .kind = Kind::kReceive, .status = Status::kFlushed});
    }
    regions_.clear();
    arrived_.clear();
    out_.clear();
    if (auto accepted = std::exchange(accepted_, nullptr)) accepted(false);
    tell();
  }
  void forget_callbacks() {
    callback_ = nullptr;
    accepted_ = nullptr;
  }

 private:
  struct Posted {
    uint64_t id;
    Kind kind;
    MutableByteView memory;
  };
  struct Region {
    MutableByteView memory;
    uint8_t access;
    uint64_t address;
  };
  struct Message {
    TcpHeader header;
    Bytes data;
  };

  // Through post(): who posts is in the middle of something.
  void tell() {
    if (done_.empty() || !callback_) return;
    reactor_.post([callback = std::exchange(callback_, nullptr)]() mutable { callback(); });
  }

  void say(const TcpHeader& header, ByteView data = {}) {
    header.encode(out_);
    out_.insert(out_.end(), data.begin(), data.end());
    write_out();
  }
  void write_out() {
    while (!out_.empty() && !is_lost_ && !writes_) {
      const ssize_t sent =
          ::send(socket_.native_handle(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) {
        out_.erase(out_.begin(), out_.begin() + sent);
      } else if (errno == EAGAIN) {
        writes_ = true;
        socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                           [weak = weak_from_this()](const boost::system::error_code& failed) {
                             const auto self = weak.lock();
                             if (failed || !self) return;
                             self->writes_ = false;
                             self->write_out();
                           });
      } else {
        // Not from within a post, which has succeeded.
        return reactor_.post([weak = weak_from_this()] {
          if (const auto self = weak.lock()) self->lose();
        });
      }
    }
  }

  void wait_to_read() {
    socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [weak = weak_from_this()](const boost::system::error_code& failed) {
                         const auto self = weak.lock();
                         if (failed || !self || self->is_lost_) return;
                         self->read_in();
                         if (!self->is_lost_) self->wait_to_read();
                       });
  }
  void read_in() {
    const size_t before = in_.size();
    in_.resize(before + kReadAtOnce);
    const ssize_t got =
        ::recv(socket_.native_handle(), in_.data() + before, kReadAtOnce, MSG_DONTWAIT);
    const bool is_error = got < 0 && errno != EAGAIN;
    in_.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    size_t at = 0;
    while (!is_lost_ && in_.size() - at >= TcpHeader::kSize) {
      const ByteView rest = ByteView(in_).subspan(at);
      const auto header = TcpHeader::decode(rest.first(TcpHeader::kSize));
      if (!header) return lose();
      const size_t size = header->has_data() ? header->length : 0;
      if (rest.size() - TcpHeader::kSize < size) break;
      const ByteView data = rest.subspan(TcpHeader::kSize, size);
      at += TcpHeader::kSize + size;
      if (!take(*header, data)) return lose();
    }
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(at));
    if (got == 0 || is_error) lose();
  }

  // False: this is the end.
  bool take(const TcpHeader& header, ByteView data) {
    switch (header.op) {
      case TcpOp::kAccepted:
        if (auto accepted = std::exchange(accepted_, nullptr)) accepted(true);
        return true;
      case TcpOp::kSend:
        if (arrived_.size() >= kTcpRequestsMax) return false;
        arrived_.push_back({header, Bytes(data.begin(), data.end())});
        return take_sends();
      case TcpOp::kRead:
      case TcpOp::kWrite:
        return serve(header, data);
      case TcpOp::kDone:
      case TcpOp::kRefused:
        return finish(header, data);
    }
    return false;
  }
  bool take_sends() {
    while (!arrived_.empty() && !receives_.empty()) {
      const Message message = std::move(arrived_.front());
      arrived_.pop_front();
      const Posted receive = receives_.front();
      receives_.pop_front();
      Completion done{.id = receive.id, .kind = Kind::kReceive, .status = Status::kDone};
      const auto& token = message.header.invalidate;
      if (message.data.size() > receive.memory.size()) done.status = Status::kLengthError;
      if (token && regions_.erase(*token) == 0) done.status = Status::kFlushed;
      const bool is_done = done.status == Status::kDone;
      if (is_done) {
        std::ranges::copy(message.data, receive.memory.begin());
        done.size = message.data.size();
        done.invalidated = token;
      }
      done_.push_back(done);
      say({.op = is_done ? TcpOp::kDone : TcpOp::kRefused});
      tell();
      if (!is_done) return false;
    }
    return true;
  }
  bool serve(const TcpHeader& header, ByteView data) {
    const bool is_read = header.op == TcpOp::kRead;
    const auto region = regions_.find(header.token);
    const uint8_t needed = is_read ? QueuePair::PeerMay::kRead : QueuePair::PeerMay::kWrite;
    if (region == regions_.end() || (region->second.access & needed) == 0) return refuse();
    const MutableByteView memory = region->second.memory;
    const uint64_t at = header.offset - region->second.address;  // wraps below it: too large
    if (at > memory.size() || header.length > memory.size() - at) return refuse();
    const MutableByteView place = memory.subspan(at, header.length);
    if (is_read) {
      say({.op = TcpOp::kDone, .length = header.length}, place);
    } else {
      std::ranges::copy(data, place.begin());
      say({.op = TcpOp::kDone});
    }
    return true;
  }
  // What was said before it goes out before.
  bool refuse() {
    say({.op = TcpOp::kRefused});
    return false;
  }
  bool finish(const TcpHeader& header, ByteView data) {
    if (requests_.empty()) return false;
    const Posted request = requests_.front();
    requests_.pop_front();
    const bool is_read = request.kind == Kind::kRead;
    bool is_done =
        header.op == TcpOp::kDone && data.size() == (is_read ? request.memory.size() : 0);
    if (is_done && is_read) std::ranges::copy(data, request.memory.begin());
    done_.push_back({.id = request.id,
                     .kind = request.kind,
                     .status = is_done ? Status::kDone : Status::kRemoteRefused});
    tell();
    return is_done;
  }

  Reactor& reactor_;
  asio::posix::stream_descriptor socket_;
  std::mt19937_64 random_;
  bool is_lost_ = false;
  bool writes_ = false;  // waits until it can
  Bytes in_;
  Bytes out_;
  std::deque<Posted> receives_;
  std::deque<Posted> requests_;
  std::deque<Message> arrived_;  // sends that wait for a receive
  std::deque<Completion> done_;
  std::unordered_map<uint32_t, Region> regions_;
  std::move_only_function<void()> callback_;
  std::move_only_function<void(bool)> accepted_;
};

class TcpQueuePair final : public QueuePair {
 public:
  explicit TcpQueuePair(std::shared_ptr<TcpLink> link) : link_(std::move(link)) {}
  ~TcpQueuePair() override {
    link_->forget_callbacks();
    link_->lose();
  }
  Buffer memory(size_t size) override { return Buffer(size); }
  bool reaches(ByteView) const override { return true; }
  // All memory is reached anyway. One for all: who keeps it keeps no connection with it.
  Result<std::shared_ptr<void>> reach(MutableByteView) override {
    static const std::shared_ptr<void> all = std::make_shared<int>();
    return all;
  }

  Result<void> post_receive(uint64_t id, MutableByteView to) override {
    return link_->post_receive(id, to);
  }
  Result<void> post_send(uint64_t id, ByteView from, std::optional<uint32_t> invalidate) override {
    return link_->post(id, Kind::kSend, unwritten(from),
                       {.op = TcpOp::kSend, .invalidate = invalidate});
  }
  Result<void> post_read(uint64_t id, MutableByteView to, const Remote& remote) override {
    return link_->post(id, Kind::kRead, to,
                       {.op = TcpOp::kRead, .offset = remote.offset, .token = remote.token});
  }
  Result<void> post_write(uint64_t id, ByteView from, const Remote& remote) override {
    return link_->post(id, Kind::kWrite, unwritten(from),
                       {.op = TcpOp::kWrite, .offset = remote.offset, .token = remote.token});
  }
  size_t poll(std::span<Completion> into) override { return link_->poll(into); }
  void when_completed(std::move_only_function<void()> callback) override {
    link_->when_completed(std::move(callback));
  }
  Result<Remote> register_memory(MutableByteView memory, uint8_t access) override {
    return link_->lend(memory, access);
  }
  void unregister(uint32_t token) override { link_->unregister(token); }
  void disconnect() override { link_->lose(); }
  size_t receives_max() const override { return kTcpReceivesMax; }
  size_t requests_max() const override { return kTcpRequestsMax; }

 private:
  // Of a send or write nothing but what is read is looked at.
  static MutableByteView unwritten(ByteView from) {
    return {const_cast<uint8_t*>(from.data()), from.size()};
  }
  const std::shared_ptr<TcpLink> link_;
};

class TcpAcceptor final : public TcpCardListener {
 public:
  TcpAcceptor(Reactor& reactor, UniqueFd socket, std::move_only_function<void(Arrived)> on_arrival)
      : state_(std::make_shared<State>(reactor, std::move(socket), std::move(on_arrival))) {
    state_->wait();
  }
  SocketAddress address() const override {
    return SocketAddress::local_of(state_->socket.native_handle());
  }

 private:
  struct State : std::enable_shared_from_this<State> {
    State(Reactor& its_reactor, UniqueFd fd, std::move_only_function<void(Arrived)> callback)
        : reactor(its_reactor),
          socket(reactor.context(), fd.release()),
          on_arrival(std::move(callback)) {}
    void wait() {
      socket.async_wait(asio::posix::stream_descriptor::wait_read,
                        [weak = weak_from_this()](const boost::system::error_code& failed) {
                          const auto self = weak.lock();
                          if (failed || !self) return;
                          self->take();
                          self->wait();
                        });
    }
    void take() {
      UniqueFd fd(
          ::accept4(socket.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) return;
      Arrived arrived{.pair = nullptr,
                      .peer = SocketAddress::peer_of(fd.get()),
                      .local = SocketAddress::local_of(fd.get())};
      auto link = std::make_shared<TcpLink>(reactor, std::move(fd));
      link->start();
      arrived.pair = std::make_unique<TcpQueuePair>(link);
      arrived.accept = [link] { link->say_accepted(); };
      on_arrival(std::move(arrived));
    }
    Reactor& reactor;
    asio::posix::stream_descriptor socket;
    std::move_only_function<void(Arrived)> on_arrival;
  };
  const std::shared_ptr<State> state_;
};

}  // namespace

Result<std::unique_ptr<TcpCardListener>> TcpCardListener::make(
    Reactor& reactor, const SocketAddress& address,
    std::move_only_function<void(Arrived)> on_arrival) {
  UniqueFd socket(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return fail_last_os();
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), address.data(), address.size()) != 0) return fail_last_os();
  if (::listen(socket.get(), SOMAXCONN) != 0) return fail_last_os();
  return std::make_unique<TcpAcceptor>(reactor, std::move(socket), std::move(on_arrival));
}

Task<Result<std::unique_ptr<QueuePair>>> connect_tcp_card(Reactor& reactor, SocketAddress address,
                                                          std::chrono::milliseconds timeout,
                                                          SocketAddress from) {
  UniqueFd socket(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) co_return fail_last_os();
  if (from.size() > 0 && ::bind(socket.get(), from.data(), from.size()) != 0) {
    co_return fail_last_os();
  }
  if (::connect(socket.get(), address.data(), address.size()) != 0 && errno != EINPROGRESS) {
    co_return fail_last_os();
  }
  // Readable when it is refused, or when there is something to read.
  const auto link = std::make_shared<TcpLink>(reactor, std::move(socket));
  const auto result = std::make_shared<OneShot<int>>();
  link->on_accepted([result](bool is_accepted) { result->set(is_accepted ? 0 : ECONNREFUSED); });
  link->start();
  Timer timer(reactor);
  timer.start(timeout, [result] { result->set(ETIMEDOUT); });
  std::unique_ptr<QueuePair> pair = std::make_unique<TcpQueuePair>(link);
  if (const int failed = co_await result->wait(reactor); failed != 0) co_return fail_os(failed);
  co_return std::move(pair);
}

}  // namespace braid::transport::smbdirect
