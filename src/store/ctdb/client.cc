#include "store/ctdb/client.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "base/unique_fd.h"
#include "runtime/asio.h"

namespace braid::store::ctdb {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kTick{1};

Bytes bytes_of(uint32_t number) {
  Bytes bytes;
  wire::Writer(bytes).u32(number);
  return bytes;
}

template <class T>
Bytes encoded(const T& value) {
  Bytes bytes;
  wire::Writer w(bytes);
  value.encode(w);
  return bytes;
}

}  // namespace

Result<UniqueFd> Client::connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail_os(ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_last_os();
  // Done at once or not at all: EAGAIN, when too many are ahead.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_last_os();
  }
  return fd;
}

// One connection. Kept alive by the waits that are under way; says nothing to its client once it
// has ended. Thread: the reactor's.
class Client::Link : public std::enable_shared_from_this<Link> {
 public:
  Link(Client& client, UniqueFd fd)
      : client_(client), descriptor_(client.reactor_.context(), fd.get()) {
    static_cast<void>(fd.release());
  }

  void read() {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this()](const boost::system::error_code&) {
                             if (!self->is_over_) self->read_now();
                           });
  }
  size_t unsent() const { return unsent_.size() - sent_; }
  void send(ByteView packet) {
    unsent_.insert(unsent_.end(), packet.begin(), packet.end());
    if (!is_waiting_to_write_) write_now();
  }
  bool is_over() const { return is_over_; }
  void end(Error why) {
    if (std::exchange(is_over_, true)) return;
    boost::system::error_code ignored;
    descriptor_.close(ignored);
    client_.on_ended(*this, why);
  }

 private:
  void read_now() {
    const MutableByteView space = reader_.space();
    const ssize_t count =
        ::recv(descriptor_.native_handle(), space.data(), space.size(), MSG_DONTWAIT);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return end(Error::last_os_error());
    if (count == 0) return end(Error::os(ECONNRESET));
    if (count > 0) reader_.received(static_cast<size_t>(count));
    while (!is_over_) {
      const auto packet = reader_.next();
      if (!packet) return end(packet.error());
      if (!*packet) return read();
      client_.on_packet(**packet);
    }
  }
  void write_now() {
    while (unsent() > 0) {
      const ssize_t count = ::send(descriptor_.native_handle(), unsent_.data() + sent_, unsent(),
                                   MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno != EAGAIN) return fail_later(Error::last_os_error());
      if (count < 0) return write_later();
      sent_ += static_cast<size_t>(count);
    }
    unsent_.clear();
    sent_ = 0;
  }
  void write_later() {
    if (sent_ > unsent_.size() / 2) {
      unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<ptrdiff_t>(sent_));
      sent_ = 0;
    }
    is_waiting_to_write_ = true;
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_write,
                           [self = shared_from_this()](const boost::system::error_code&) {
                             self->is_waiting_to_write_ = false;
                             if (!self->is_over_) self->write_now();
                           });
  }
  // Whoever sends does not hear of the end inside of it.
  void fail_later(Error why) {
    client_.reactor_.post([self = shared_from_this(), why] { self->end(why); });
  }

  Client& client_;
  asio::posix::stream_descriptor descriptor_;
  PacketReader reader_;
  Bytes unsent_;
  size_t sent_ = 0;
  bool is_waiting_to_write_ = false;
  bool is_over_ = false;
};

Client::Client(Reactor& reactor, ClientOptions options, ClientSink& sink)
    : reactor_(reactor),
      options_(std::move(options)),
      sink_(sink),
      reconnect_timer_(reactor),
      tick_timer_(reactor),
      reconnect_delay_(options_.reconnect_first) {}

Client::~Client() = default;

void Client::start() {
  is_stopped_ = false;
  try_to_connect();
}

Task<void> Client::stop() {
  is_stopped_ = true;
  reconnect_timer_.cancel();
  if (const auto link = link_) link->end(Error::os(ENOTCONN));
  co_await greetings_.join();
}

void Client::try_to_connect() {
  auto fd = connect_to(options_.socket_path);
  if (!fd) {
    if (!std::exchange(is_loss_logged_, true)) {
      log::warn("ctdbd cannot be reached at {}: {}. It is tried again until it can",
                options_.socket_path, fd.error().message());
    }
    return try_later();
  }
  link_ = std::make_shared<Link>(*this, std::move(*fd));
  heard_at_ = ticks_;
  tick_timer_.start(kTick, [this] { tick(); });
  link_->read();
  greetings_.spawn(greet(link_));
}

void Client::try_later() {
  if (is_stopped_) return;
  reconnect_timer_.start(reconnect_delay_, [this] { try_to_connect(); });
  reconnect_delay_ = std::min(2 * reconnect_delay_, options_.reconnect_max);
}

Task<void> Client::greet(std::shared_ptr<Link> link) {
  const auto answer = co_await control(Control::kGetPnn, {});
  if (link->is_over()) co_return;
  if (!answer) co_return link->end(answer.error());
  std::vector<uint64_t> numbers{kReconfigured, kAddressReleased, kAddressTaken,
                                kAddressesReallocated};
  numbers.insert(numbers.end(), options_.registered.begin(), options_.registered.end());
  for (const uint64_t number : numbers) {
    const auto registered = co_await control(Control::kRegister, {}, number);
    if (link->is_over()) co_return;
    if (!registered) co_return link->end(registered.error());
  }
  pnn_ = static_cast<uint32_t>(answer->status);
  reconnect_delay_ = options_.reconnect_first;
  is_loss_logged_ = false;
  log::info("connected to ctdbd, this is node {}", *pnn_);
  sink_.on_connected(*pnn_);
}

// Asks for something that costs nothing, and looks at whom it has to answer.
void Client::tick() {
  const auto link = link_;
  if (!link) return;
  ++ticks_;
  const auto silence_max = static_cast<uint64_t>(options_.silence_max / kTick);
  if (ticks_ - heard_at_ > silence_max) return link->end(Error::os(ETIMEDOUT));
  std::vector<std::shared_ptr<Answered>> late;
  std::erase_if(waiting_, [&](auto& each) {
    if (each.second.ends_at > ticks_) return false;
    late.push_back(std::move(each.second.answered));
    return true;
  });
  for (const auto& each : late) each->set(fail_os(ETIMEDOUT));
  link->send(packet(Header{.operation = Operation::kControl, .request_id = 0},
                    ControlRequest{.control = Control::kGetPnn}));
  if (!link->is_over()) tick_timer_.start(kTick, [this] { tick(); });
}

void Client::on_ended(const Link& link, Error why) {
  if (link_.get() != &link) return;
  link_.reset();
  tick_timer_.cancel();
  const bool was_connected = std::exchange(pnn_, std::nullopt).has_value();
  fail_all(Error::os(ENOTCONN));
  if (is_stopped_) return;
  if (!std::exchange(is_loss_logged_, true)) {
    log::warn("the connection to ctdbd at {} is lost: {}. It is tried again until it can be had",
              options_.socket_path, why.message());
  }
  try_later();
  if (was_connected) sink_.on_lost(why);
}

void Client::fail_all(Error why) {
  for (auto& [id, each] : std::exchange(waiting_, {})) each.answered->set(fail(why));
}

void Client::on_packet(ByteView packet) {
  heard_at_ = ticks_;
  wire::Reader r(packet);
  const auto header = Header::decode(r);
  if (!header) return;  // PacketReader has cut it, and so decoded it
  bool is_whole = true;
  const auto answer = [&](Operation reply, auto body) {
    is_whole = body.has_value();
    if (!is_whole) return on_answer(header->request_id, reply, fail(body.error()));
    const auto status = static_cast<int32_t>(body->status);
    on_answer(header->request_id, reply,
              Answer{status, Bytes(body->data.begin(), body->data.end())});
  };
  switch (header->operation) {
    case Operation::kControlReply:
      if (header->request_id != 0) answer(Operation::kControlReply, ControlReply::decode(r));
      break;
    case Operation::kCallReply:
      answer(Operation::kCallReply, CallReply::decode(r));
      break;
    case Operation::kErrorReply:
      is_whole = ErrorReply::decode(r).has_value();
      on_answer(header->request_id, Operation::kCallReply, fail_os(EREMOTEIO));
      break;
    case Operation::kMessage: {
      const auto message = Message::decode(r);
      is_whole = message.has_value();
      if (is_whole) on_message(*message);
      break;
    }
    default:
      is_whole = false;
  }
  if (!is_whole) ++ignored_packets_;
}

void Client::on_answer(uint32_t id, Operation reply, Result<Answer> answer) {
  const auto found = waiting_.find(id);
  // Too late, a second time, or of another kind than was asked for.
  if (found == waiting_.end() || found->second.reply != reply) {
    ++ignored_packets_;
    return;
  }
  const auto answered = std::move(found->second.answered);
  waiting_.erase(found);
  answered->set(std::move(answer));
}

void Client::on_message(const Message& message) {
  if (!pnn_) return;  // what came before on_connected() is not missed
  const auto tell = [&](ClusterEvent event) { sink_.on_event(event, std::nullopt); };
  const auto tell_of_address = [&](ClusterEvent event) {
    const auto address = decode_address_text(message.payload);
    if (address) return sink_.on_event(event, address);
    ++ignored_packets_;
  };
  switch (message.to) {
    case kReconfigured:
      return tell(ClusterEvent::kReconfigured);
    case kAddressesReallocated:
      return tell(ClusterEvent::kAddressesReallocated);
    case kAddressReleased:
      return tell_of_address(ClusterEvent::kAddressReleased);
    case kAddressTaken:
      return tell_of_address(ClusterEvent::kAddressTaken);
    default:
      return sink_.on_message(message.to, message.payload);
  }
}

uint32_t Client::next_id() {
  do {
    ++last_id_;
  } while (last_id_ == 0 || waiting_.contains(last_id_));
  return last_id_;
}

auto Client::answer_to(Operation reply, uint32_t id, Bytes packet) -> Task<Result<Answer>> {
  if (!link_) co_return fail_os(ENOTCONN);
  if (waiting_.size() >= kRequestsMax || link_->unsent() + packet.size() > kUnsentMax) {
    co_return fail_os(ENOBUFS);
  }
  const auto answered = std::make_shared<Answered>();
  const auto answer_max = static_cast<uint64_t>(options_.answer_max / kTick);
  waiting_[id] = {answered, reply, ticks_ + answer_max};
  link_->send(packet);
  co_return co_await answered->wait(reactor_);
}

auto Client::control(Control control, Bytes data, uint64_t number, uint32_t pnn)
    -> Task<Result<Answer>> {
  const uint32_t id = next_id();
  auto answer = co_await answer_to(
      Operation::kControlReply, id,
      packet(Header{.operation = Operation::kControl, .destination = pnn, .request_id = id},
             ControlRequest{.control = control, .number = number, .data = data}));
  if (answer && answer->status < 0) co_return fail_os(EREMOTEIO);
  co_return answer;
}

bool Client::send(uint32_t pnn, uint64_t to, ByteView payload) {
  if (!pnn_ || payload.size() > kPacketMax / 2) return false;
  if (link_->unsent() + payload.size() > kUnsentMax) return false;
  link_->send(packet(Header{.operation = Operation::kMessage, .destination = pnn, .source = *pnn_},
                     Message{.to = to, .payload = payload}));
  return true;
}

Task<Result<std::vector<Node>>> Client::nodes() {
  BRAID_CO_TRY(const Answer answer, co_await control(Control::kGetNodes, {}));
  co_return decode_nodes(answer.data);
}

Task<Result<bool>> Client::is_registered(uint32_t pnn, uint32_t process, uint64_t number) {
  Bytes data;
  wire::Writer w(data);
  w.u32(process);
  w.u64(number);
  const auto answer = co_await control(Control::kCheckProcess, std::move(data), 0, pnn);
  if (answer) co_return true;
  if (answer.error().is_os(EREMOTEIO)) co_return false;
  co_return fail(answer.error());
}

Task<Result<std::vector<PublicAddress>>> Client::public_addresses(uint32_t pnn) {
  BRAID_CO_TRY(const Answer answer, co_await control(Control::kGetPublicAddresses, {}, 0, pnn));
  co_return decode_public_addresses(answer.data);
}

Task<Result<bool>> Client::is_recovering() {
  BRAID_CO_TRY(const Answer answer, co_await control(Control::kGetRecoveryMode, {}));
  co_return answer.status != 0;
}

Task<Result<uint32_t>> Client::tunable(std::string name) {
  BRAID_CO_TRY(const Answer answer,
               co_await control(Control::kGetTunable, encoded(TunableName{std::move(name)})));
  co_return decode_number(answer.data);
}

Task<Result<void>> Client::set_disabled(bool is_disabled) {
  BRAID_CO_CHECK(co_await control(is_disabled ? Control::kDisableNode : Control::kEnableNode, {}));
  co_return Result<void>();
}

Task<Result<uint32_t>> Client::attach(std::string name) {
  Bytes text(name.begin(), name.end());
  text.push_back(0);
  BRAID_CO_TRY(const Answer answer, co_await control(Control::kAttach, std::move(text)));
  wire::Reader r(answer.data);
  const uint32_t database = r.u32();
  co_return r.finish(database);
}

auto Client::file_of(uint32_t database) -> Task<Result<DatabaseFile>> {
  BRAID_CO_TRY(const Answer path, co_await control(Control::kGetDatabasePath, bytes_of(database)));
  BRAID_CO_TRY(const Answer flags,
               co_await control(Control::kGetDatabaseFlags, bytes_of(database)));
  DatabaseFile file;
  BRAID_CO_TRY(file.path, decode_text(path.data));
  wire::Reader r(flags.data);
  file.tdb_flags = r.u32();
  co_return r.finish(file);
}

Task<Result<void>> Client::migrate(uint32_t database, Bytes key) {
  const uint32_t id = next_id();
  BRAID_CO_TRY(const Answer answer,
               co_await answer_to(Operation::kCallReply, id,
                                  packet(Header{.operation = Operation::kCall, .request_id = id},
                                         Call{.database = database, .key = key})));
  if (answer.status != 0) co_return fail_os(EREMOTEIO);
  co_return Result<void>();
}

Task<Result<void>> Client::schedule_for_deletion(uint32_t database, RecordHeader header,
                                                 Bytes key) {
  BRAID_CO_CHECK(
      co_await control(Control::kScheduleForDeletion, encoded(Deletion{database, header, key})));
  co_return Result<void>();
}

Task<Result<void>> Client::register_connection(TcpConnection connection) {
  BRAID_CO_CHECK(co_await control(Control::kTcpClient, encoded(connection)));
  co_return Result<void>();
}

Task<Result<void>> Client::forget_connection(TcpConnection connection) {
  BRAID_CO_CHECK(co_await control(Control::kTcpRemove, encoded(connection)));
  co_return Result<void>();
}

}  // namespace braid::store::ctdb
