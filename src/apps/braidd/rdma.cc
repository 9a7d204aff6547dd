#include "apps/braidd/rdma.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>

#include "apps/braidd/exit_status.h"
#include "apps/braidd/first_frame.h"
#include "apps/braidd/link.h"
#include "apps/braidd/sandbox.h"
#include "apps/braidd/system_calls.h"
#include "base/log.h"
#include "runtime/asio.h"
#include "runtime/reactor.h"
#include "transport/relay/card_end.h"
#include "transport/smbdirect/lobby.h"
#include "transport/smbdirect/tcp_card.h"
#include "verbs/listener.h"

namespace braid::braidd {

namespace asio = boost::asio;
using transport::SocketAddress;
using transport::relay::CardEnd;
using transport::smbdirect::Arrived;
using transport::smbdirect::TcpCardListener;

namespace {

// BRAID_TEST_RDMA=tcp in the environment: cards made of TCP, for tests, on this machine's loopback
// addresses only.
bool has_test_cards() {
  const char* given = ::secure_getenv("BRAID_TEST_RDMA");
  return given && std::string_view(given) == "tcp";
}

std::vector<SocketAddress> parse_endpoints(std::string_view text) {
  std::vector<SocketAddress> all;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (const auto address = SocketAddress::parse_with_port(text.substr(0, comma))) {
      all.push_back(*address);
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return all;
}

std::string why_not(Error error) {
  if (error.is_os(ENODEV) || error.is_os(EADDRNOTAVAIL)) {
    return "no RDMA device has that address; braidctl rdma check says what is missing";
  }
  if (error.is_os(EADDRINUSE))
    return "the RDMA port is in use; stop who has it or change rdma_port";
  if (error.is_os(EACCES)) return "the port takes root; give rdma_port a port above 1023";
  return error.message();
}

// Thread: its reactor's.
class RdmaProcess {
 public:
  RdmaProcess(UniqueFd control, size_t workers)
      : control_(reactor_.context(), control.release()),
        workers_(workers),
        lobby_(reactor_, transport::smbdirect::server_settings(),
               [this](Arrived who, ByteView first) { heard(std::move(who), first); }) {
    devices_.on_removal([this] {
      log::warn("SMB Direct: a card is taken away; all connections over cards begin anew");
      reactor_.stop();
    });
  }

  // False: nowhere, and the supervisor knows what was said about it. `said`: of the process before,
  // whose lines are not repeated.
  bool listen(std::string_view endpoints, uint64_t said) {
    const std::vector<std::string> troubles = try_to_listen(endpoints);
    std::string all;
    for (const std::string& each : troubles) all += each + '\n';
    const uint64_t number = std::hash<std::string>{}(all);
    for (const std::string& each : troubles) {
      number == said ? log::debug("{}", log::Whole{each}) : log::warn("{}", log::Whole{each});
    }
    if (!addresses_.empty()) return true;
    send_message(control_.native_handle(), MessageKind::kNoCards, number);
    return false;
  }

  void run() {
    wait_for_orders();
    send_message(control_.native_handle(), MessageKind::kReady);
    reactor_.run();
  }

 private:
  // A worker, as far as it has introduced itself.
  struct Worker {
    Worker(Reactor& reactor, UniqueFd fd) : link(reactor.context(), fd.release()) {}
    asio::posix::stream_descriptor link;
    std::array<UniqueFd, CardEnd::kDescriptors> descriptors;
    size_t count = 0;
    std::shared_ptr<CardEnd> end;
  };

  // A line for each thing that is in the way.
  std::vector<std::string> try_to_listen(std::string_view endpoints) {
    std::vector<std::string> troubles;
    const bool is_test = has_test_cards();
    if (std::string why; !is_test && !verbs::Devices::check(why)) {
      troubles.push_back(fmt::format("SMB Direct is off: {}; SIGHUP looks again", why));
      return troubles;
    }
    for (const SocketAddress& address : parse_endpoints(endpoints)) {
      const auto listening = is_test ? listen_test(address) : listen_on(address);
      if (listening) {
        log::info("listening on {} for SMB Direct", listening->to_string());
        addresses_.push_back(*listening);
      } else {
        troubles.push_back(fmt::format("SMB Direct: cannot listen on {}: {}", address.to_string(),
                                       why_not(listening.error())));
      }
    }
    if (addresses_.empty()) troubles.push_back("SMB Direct is off; SIGHUP looks again");
    return troubles;
  }

  Result<SocketAddress> listen_on(const SocketAddress& address) {
    BRAID_TRY(auto listener,
              verbs::Listener::make(
                  devices_, reactor_, address, [this](Arrived who) { arrived(std::move(who)); },
                  verbs::Accepting::kWhenTold));
    listeners_.push_back(std::move(listener));
    return listeners_.back()->address();
  }
  Result<SocketAddress> listen_test(const SocketAddress& address) {
    if (address.host() != "127.0.0.1" && address.host() != "::1") return fail_os(EPERM);
    BRAID_TRY(auto listener, TcpCardListener::make(reactor_, address, [this](Arrived who) {
                arrived(std::move(who));
              }));
    test_listeners_.push_back(std::move(listener));
    return test_listeners_.back()->address();
  }
  void arrived(Arrived who) {
    if (workers_.size() == 1) return hand_over(std::move(who), 0);
    // All connections of a client meet in one worker.
    lobby_.add(std::move(who));
  }
  void heard(Arrived who, ByteView first) {
    const auto frame = decode_first_frame(first);
    if (!frame) {
      return log::debug("{}: the first message is no NEGOTIATE, dropped", who.peer.host());
    }
    const size_t worker = frame->client_guid ? worker_of(*frame->client_guid, workers_.size())
                                             : next_worker_++ % workers_.size();
    hand_over(std::move(who), worker);
  }
  void hand_over(Arrived who, size_t index) {
    const auto& worker = workers_[index];
    if (worker && worker->end) return worker->end->arrived(std::move(who));
    log::debug("{}: worker {} is not there, dropped", who.peer.host(), index);
  }

  void wait_for_orders() {
    control_.async_wait(asio::posix::stream_descriptor::wait_read,
                        [this](const boost::system::error_code& failed) {
                          if (failed || !take_orders()) return reactor_.stop();
                          wait_for_orders();
                        });
  }
  // False: the supervisor is gone.
  bool take_orders() {
    for (;;) {
      auto message = receive_message(control_.native_handle());
      if (!message) return message.error().is_os(EAGAIN);
      if (message->kind == MessageKind::kLogLevel) {
        log::set_level(static_cast<log::Level>(message->number));
      } else if (message->kind == MessageKind::kLink && message->fd &&
                 message->number < workers_.size()) {
        auto& worker = workers_[message->number];
        lose(worker);
        worker = std::make_shared<Worker>(reactor_, std::move(message->fd));
        wait_for(worker);
      } else if (message->kind == MessageKind::kLink) {
        log::error("rdma: no descriptor for the link to the worker");
      }
    }
  }

  void wait_for(const std::shared_ptr<Worker>& who) {
    who->link.async_wait(
        asio::posix::stream_descriptor::wait_read,
        [this, weak = std::weak_ptr(who)](const boost::system::error_code& failed) {
          const auto worker = weak.lock();
          if (failed || !worker) return;
          if (!take_from(worker)) return lose(worker);
          wait_for(worker);
        });
  }
  // False: the worker is gone, or is none.
  bool take_from(const std::shared_ptr<Worker>& who) {
    Worker& worker = *who;
    for (;;) {
      auto message = receive_message(worker.link.native_handle());
      if (!message) return message.error().is_os(EAGAIN);
      if (message->kind != MessageKind::kCardShare || !message->fd || worker.end) return false;
      worker.descriptors[worker.count++] = std::move(message->fd);
      if (worker.count < worker.descriptors.size()) continue;
      auto end = CardEnd::make(reactor_, std::move(worker.descriptors), message->number,
                               [this, weak = std::weak_ptr(who)] { lose(weak.lock()); });
      if (!end) {
        log::error("rdma: what the worker shares cannot be had: {}", end.error().message());
        return false;
      }
      worker.end = std::move(*end);
      for (const SocketAddress& address : addresses_) worker.end->listening(address);
    }
  }
  // All its connections end. By value: what is in workers_ goes meanwhile.
  void lose(std::shared_ptr<Worker> worker) {
    if (!worker) return;
    if (worker->end) worker->end->close();
    std::ranges::replace(workers_, worker, nullptr);
  }

  Reactor reactor_;
  verbs::Devices devices_;
  asio::posix::stream_descriptor control_;
  std::vector<SocketAddress> addresses_;
  std::vector<std::shared_ptr<Worker>> workers_;  // by index; null while one is away
  size_t next_worker_ = 0;                        // of those whose clients have no ClientGuid
  std::vector<std::unique_ptr<verbs::Listener>> listeners_;
  std::vector<std::unique_ptr<TcpCardListener>> test_listeners_;
  transport::smbdirect::Lobby lobby_;
};

}  // namespace

std::string rdma_endpoints(const config::Server& server) {
  std::string text;
  std::vector<std::string_view> done;
  for (const config::Endpoint& endpoint : server.listen) {
    if (std::ranges::find(done, endpoint.address) != done.end()) continue;
    done.push_back(endpoint.address);
    const bool is_v6 = endpoint.address.contains(':');
    text += fmt::format("{}{}{}{}:{}", text.empty() ? "" : ",", is_v6 ? "[" : "", endpoint.address,
                        is_v6 ? "]" : "", server.rdma_port);
  }
  return text;
}

int run_rdma(UniqueFd control, std::string_view endpoints, size_t workers, uint64_t said) {
  enter_rdma_sandbox();
  RdmaProcess process(std::move(control), workers);
  if (!process.listen(endpoints, said)) return kNoCards;
  restrict_system_calls(Role::kRdma);
  process.run();
  return 0;
}

void raise_memory_lock_limit(const config::Server& server) {
  rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_MEMLOCK, &limit) == 0) return;
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_MEMLOCK, &limit);
  const rlim_t needed =
      (rlim_t{server.rdma_memory_mib} << 20) * server.workers + (rlim_t{16} << 20);
  if (limit.rlim_cur >= needed) return;
  log::warn(
      "SMB Direct: the limit of locked memory is {} KiB, and {} MiB are needed; raise it "
      "(LimitMEMLOCK= of the systemd unit, ulimit -l) or lower rdma_memory",
      limit.rlim_cur >> 10, needed >> 20);
}

}  // namespace braid::braidd
