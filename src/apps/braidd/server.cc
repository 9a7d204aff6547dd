#include "apps/braidd/server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "admin/control.h"
#include "admin/control_server.h"
#include "apps/braidd/cluster_addresses.h"
#include "apps/braidd/cluster_witness.h"
#include "apps/braidd/first_frame.h"
#include "apps/braidd/handed_part.h"
#include "apps/braidd/link.h"
#include "apps/braidd/live_directory.h"
#include "apps/braidd/thread_limit.h"
#include "apps/braidd/witness_addresses.h"
#include "auth/id_mapper.h"
#include "auth/logon_penalties.h"
#include "auth/server_authenticator.h"
#include "auth/state_complaint.h"
#include "auth/unix_user.h"
#include "auth/user_store.h"
#include "base/guarded.h"
#include "base/log.h"
#include "config/path_look.h"
#include "crypto/ntlm_primitives.h"
#include "crypto/secret.h"
#include "rpc/memory_directory.h"
#include "rpc/pipe_registry.h"
#include "rpc/tcp/server.h"
#include "runtime/identity.h"
#include "runtime/reactor.h"
#include "runtime/worker_pool.h"
#include "smb2/audit/audit_log.h"
#include "smb2/logons/rpc_logons.h"
#include "smb2/persistent/handles_folder.h"
#include "smb2/persistent/persistent_handles.h"
#include "smb2/server.h"
#include "smb2/shares/share_look.h"
#include "smb2/workers/shared_file_locks.h"
#include "transport/relay/worker_end.h"
#include "transport/smbdirect/lobby.h"
#include "transport/smbdirect/smbdirect_transport.h"
#include "transport/tcp_transport.h"

namespace braid::braidd {
namespace {

// The same for all workers and after a restart, as clients compare it: drawn from the domain SID,
// which is random and kept. [MS-SMB2] 3.3.1.5 "Global", ServerGuid.
Guid server_guid(const auth::IdMapper& ids) {
  const std::string sid = ids.domain_sid().to_string();
  const ByteView purpose[] = {as_bytes("ServerGuid")};
  const auto digest = crypto::hmac_md5(as_bytes(sid), purpose);
  Guid guid;
  std::copy_n(digest.begin(), guid.bytes.size(), guid.bytes.begin());
  return guid;
}

// Room for a whole life's opens behind it, in numbers of 44 bits.
uint64_t random_file_id() {
  uint64_t number = 0;
  crypto::random_bytes({reinterpret_cast<uint8_t*>(&number), sizeof number});
  return (number >> 21) | 1;
}

// NetBIOS form: upper case, 15 characters at most.
std::string netbios_name(std::string_view name) {
  std::string out(name.substr(0, 15));
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return out;
}

std::string dns_host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// What srvsvc, wkssvc and lsarpc say about this server but for its accounts and sessions.
rpc::MemoryDirectory make_directory(const config::Config& config, const auth::IdMapper& ids) {
  rpc::MemoryDirectory directory;
  directory.server.netbios_name = netbios_name(config.server.name);
  directory.server.dns_host_name = dns_host_name();
  directory.server.workgroup = "WORKGROUP";
  directory.server.account_domain_sid = ids.domain_sid();
  for (const config::Share& share : config.shares) {
    directory.share_list.push_back(
        {.name = share.name,
         .comment = share.comment,
         .path = share.path,
         .hidden = share.name.ends_with('$'),
         .browseable = share.browseable,
         .max_uses = share.max_connections == 0 ? rpc::kNoLimit : share.max_connections,
         .security_descriptor = {}});
  }
  directory.share_list.push_back({.name = "IPC$",
                                  .comment = "IPC Service",
                                  .path = "",
                                  .type = rpc::ShareType::kIpc,
                                  .hidden = true,
                                  .security_descriptor = {}});
  return directory;
}

// For the administrator who changed them.
void log_changes(const smb2::ShareTable& before, const smb2::ShareTable& after) {
  for (const auto& share : before.all()) {
    if (!after.entry(share->name())) {
      log::info("share '{}' is gone; who is connected to it keeps it", share->name());
    }
  }
  for (const auto& share : after.all()) {
    const auto was = before.entry(share->name());
    if (!was) {
      log::info("share '{}' is new", share->name());
    } else if (was->configured() != share->configured()) {
      log::info("share '{}' has changed; who is connected to it keeps it as it was", share->name());
    }
  }
}

// What smbtorture wants to ask of a server under test, BRAID_TEST_SWITCHES=1 in the environment
// allows. Strangers must not be able to: an error unless only this machine is listened to.
std::expected<bool, std::string> test_switches(const config::Config& config) {
  const char* given = ::secure_getenv("BRAID_TEST_SWITCHES");
  if (!given || std::string_view(given) != "1") return false;
  for (const config::Endpoint& endpoint : config.server.listen) {
    if (endpoint.address.starts_with("127.") || endpoint.address == "::1") continue;
    return std::unexpected(fmt::format(
        "BRAID_TEST_SWITCHES is set, but {} is more than this machine; unset it, or correct listen "
        "in {}",
        endpoint.address, config.file));
  }
  log::warn("test switches are on: this server is for tests only");
  return true;
}

// BRAID_TEST_KEEPALIVE=SECONDS in the environment, for tests that cut many idle connections one
// after the other and must not lose the first of them before the last is cut.
transport::TcpOptions tcp_options() {
  const char* given = ::secure_getenv("BRAID_TEST_KEEPALIVE");
  const std::string_view text = given ? given : "";
  unsigned seconds = 0;
  std::from_chars(text.begin(), text.end(), seconds);
  transport::TcpOptions options;
  if (seconds > 0) {
    options.keepalive_idle = std::chrono::seconds(std::min(seconds, 32'767u));  // the kernel's most
  }
  return options;
}

// Members are made in this order and go in the opposite one: the engine before what it uses.
class SmbWorkerServer final : public WorkerServer {
 public:
  SmbWorkerServer(config::Snapshot config, admin::WorkerPlace place, ConnectionRouter* router,
                  std::unique_ptr<store::Group> group, store::WorkerGroup* machine,
                  size_t descriptors, auth::UserStore users, auth::IdMapper ids)
      : config_(std::move(config)),
        place_(std::move(place)),
        descriptors_(descriptors),
        router_(router),
        group_(std::move(group)),
        machine_(machine),
        users_(std::move(users)),
        ids_(std::move(ids)),
        directory_(make_directory(*config_, ids_), users_, ids_, config_->server.min_uid),
        reactors_(reactor_count(config_->server)),
        pool_(WorkerPoolLimits::for_files(pool_threads_of_share(config_->server))) {}

  // A line when the keytab cannot be opened. With kTakingOver serve() is to follow.
  std::expected<void, std::string> open(WorkerBegin begin) {
    const config::Server& settings = config_->server;
    auth::AuthOptions options{.server_name = settings.name,
                              .dns_name = dns_host_name(),
                              .domain_name = "",
                              .keytab = settings.keytab,
                              .min_uid = settings.min_uid,
                              // Taken for a reauthentication and where a share lets guests in only:
                              // ServerParts::anonymous_sessions is off.
                              .allow_anonymous = true,
                              .map_unknown_to_guest = true};
    auto authenticator = auth::make_server_authenticator(std::move(options), users_, ids_);
    if (!authenticator) {
      return std::unexpected(fmt::format("keytab {}: {}; correct keytab in {}", settings.keytab,
                                         authenticator.error(), config_->file));
    }
    authenticator_ = std::move(*authenticator);
    pipes_.emplace(directory_.directory(), authenticator_.get());
    const auto switches = test_switches(*config_);
    if (!switches) return std::unexpected(switches.error());
    if (!*switches) set_file_calls(OnReactor::kIsLogged);
    if (group_) file_locks_.emplace(*group_);
    if (!settings.audit.empty()) audit_ = std::make_unique<smb2::AuditLog>(settings.audit);
    auto shares = smb2::ShareTable::make(*config_, file_locks_ ? &*file_locks_ : nullptr);
    if (!shares) return std::unexpected(shares.error());
    engine_.emplace(
        smb2::ServerParts{
            .config = config_,
            .shares = std::move(*shares),
            .authenticator = *authenticator_,
            .ids = ids_,
            .pipes = *pipes_,
            .penalties = penalties_,
            .server_guid = server_guid(ids_),
            .router = router_,
            .first_file_id = random_file_id(),
            .test_switches = *switches,
            .descriptors_max = descriptors_,
            .group = group_.get(),
            .is_worker = [this](pid_t pid) { return machine_ && machine_->has_member(pid); },
            .audit = audit_.get()},
        reactors_, pool_);
    directory_.watch(*engine_, place_, settings.state_dir);
    // Until it is known which they are.
    if (!settings.cluster.empty()) engine_->interfaces().set_movable({.are_unknown = true});
    if (begin == WorkerBegin::kServing) serve();
    return {};
  }

  // What only one worker of this place may do at a time: the logs of handles, what tells clients
  // and administrators.
  void serve() override {
    const auto shares = engine_->settings.shares();
    note_absent(shares);
    recover_handles(*shares);
    engine_->opens_handover().serve();
    engine_->live_handover().serve([this](UniqueFd socket, Bytes received) {
      return transport::over_tcp(std::move(socket), tcp_options_, std::move(received));
    });
    end_sessions_without_account();
    engine_->end_what_may_not_stay();
    if (config_->server.witness && place_.index == kRpcWorker) start_witness();
    if (!config_->server.cluster.empty()) start_cluster();
    listen_for_administrators();
  }
  void suspend(std::chrono::steady_clock::time_point end, Connected connected) override {
    connected_ = connected;
    // What administrators end from here on would only end here: they wait for who serves next.
    control_.reset();
    {
      std::lock_guard lock(arrivals_);
      is_draining_ = true;
    }
    if (!engine_->suspend(end, connected == Connected::kGo ? smb2::Server::Connected::kGo
                                                           : smb2::Server::Connected::kEnd)) {
      log::warn("some requests wait for a disk; what they have open is not handed over");
    }
  }
  void hand_over(const std::vector<UniqueFd>& links) override {
    const size_t workers = links.size();
    if (workers == 0) return;
    const auto parts = engine_->opens_handover().give(
        workers, [workers](const ClientGuid& client) { return worker_of(client, workers); });
    for (size_t i = 0; i < workers; ++i) {
      // The supervisor hears from the new worker what was missing.
      if (const auto sent = send_part(links[i].get(), parts[i]); !sent) {
        log::error("open files could not be handed over: {}", sent.error().message());
      }
    }
    if (connected_ != Connected::kGo || place_.index >= workers) return;
    auto live = engine_->live_handover().give();
    const int link = links[place_.index].get();
    if (const auto sent = send_part(link, live, MessageKind::kLive); !sent) {
      log::error("connections could not be handed over: {}", sent.error().message());
    }
    crypto::wipe(live.state);
  }
  void go_on() override {
    engine_->resume();
    {
      std::lock_guard lock(arrivals_);
      is_draining_ = false;
    }
    end_sessions_without_account();
    listen_for_administrators();
  }
  void leave() override {
    engine_->leave();
    if (audit_) audit_->flush();  // the process ends without more
  }
  std::expected<size_t, std::string> take_over(const std::vector<UniqueFd>& links,
                                               Connected connected) override {
    size_t taken = 0;
    for (const UniqueFd& link : links) {
      auto part = receive_part(link.get());
      if (!part) {
        return std::unexpected(fmt::format("the open files of a worker before did not arrive: {}",
                                           part.error().message()));
      }
      const auto more = engine_->opens_handover().take(part->state, std::move(part->descriptors));
      if (!more) {
        return std::unexpected(
            more.error() == Error::unsupported()
                ? "the running version hands open files over in a way that this one does not know"
                : fmt::format("the open files of a worker before cannot be read: {}",
                              more.error().message()));
      }
      taken += *more;
    }
    if (connected != Connected::kGo || place_.index >= links.size()) return taken;
    const auto more = take_connections(links[place_.index].get());
    if (!more) {
      return std::unexpected(fmt::format("the connections of the worker before cannot be had: {}",
                                         more.error().message()));
    }
    return taken + *more;
  }
  void tell_upgrade(uint64_t attempts, admin::UpgradeNews news) override {
    if (place_.upgrades) *place_.upgrades->lock() = {attempts, std::move(news)};
  }

  void adopt(UniqueFd socket, Buffer first_frame, Arrival arrival) override {
    if (cluster_addresses_) cluster_addresses_->connected(socket.get());
    engine_->adopt(transport::over_tcp(std::move(socket), tcp_options_), std::move(first_frame),
                   arrival);
  }
  void adopt_rpc(UniqueFd socket, Buffer first_pdu, Service service) override {
    if (!rpc_ || !may_come(socket.get())) return;
    rpc_->adopt(
        std::move(socket), std::move(first_pdu),
        service == Service::kWitness ? rpc::tcp::Port::kWitness : rpc::tcp::Port::kEndpointMapper);
  }
  void reload(config::Snapshot config) override {
    if (audit_) audit_->reopen();
    const auto before = engine_->settings.shares();
    auto shares = smb2::ShareTable::make(*config, file_locks_ ? &*file_locks_ : nullptr, &*before);
    if (!shares) {
      log::error("{}; shares and server stay as they were", log::Whole{shares.error()});
      return;
    }
    log_changes(*before, **shares);
    note_absent(*shares);
    recover_handles(**shares);
    directory_.replace(make_directory(*config, ids_));
    engine_->reconfigure(std::move(config), std::move(*shares));
  }
  void keys_wait(std::vector<std::string_view> keys) override {
    *waiting_.lock() = std::move(keys);
  }
  void use_cards(UniqueFd link) override {
    cards_.reset();  // of a process that has ended
    const auto used = begin_with_cards(std::move(link));
    // That process has ended already, and has said why.
    if (!used && !used.error().is_os(EPIPE)) {
      log::error("no SMB Direct: {}; raise what limits memory and descriptors",
                 used.error().message());
    }
  }
  void worker_ended(pid_t pid) override {
    if (machine_) machine_->ended(pid);
  }
  void drain() override {
    control_.reset();
    cluster_addresses_.reset();
    witness_addresses_.reset();
    if (rpc_) rpc_->stop();
    {
      std::lock_guard lock(arrivals_);
      is_draining_ = true;
    }
    engine_->stop();
  }

 private:
  Result<size_t> take_connections(int link) {
    BRAID_TRY(auto part, receive_part(link, MessageKind::kLive));
    auto taken = engine_->live_handover().take(part.state, std::move(part.descriptors));
    crypto::wipe(part.state);
    return taken;
  }
  bool may_come(int socket) const {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
    const auto address = IpAddress::of(reinterpret_cast<const sockaddr*>(&peer));
    return address && config::admits(engine_->settings.server()->hosts, *address);
  }

  void start_cluster() {
    cluster_addresses_ = std::make_unique<ClusterAddresses>(
        ClusterAddressesParts{.socket_path = config_->server.cluster,
                              .released = [this](const auto& address) { end_at(address); },
                              .changed = [this](const auto& view) { take_view(view); },
                              .draining = [this](uint32_t node) { move_clients_of(node); },
                              .connections = [this] { return tcp_connections(); }});
  }
  // Thread: that of the cluster's addresses, for these four.
  void end_at(const IpAddress& address) {
    size_t count = rpc_ ? rpc_->end_connections_at(address) : 0;
    for (const auto& connection : engine_->connections()) {
      const auto local = IpAddress::of(connection->transport().local().data());
      if (!local || !local->same_address(address)) continue;
      connection->disconnect();
      ++count;
    }
    if (count > 0) {
      log::info("{} connections to {} ended, as that is another node's now", count,
                address.to_string());
    }
  }
  void take_view(const ClusterView& view) {
    network::MovableAddresses movable;
    for (const auto& each : view.addresses) movable.addresses.push_back(each.address);
    engine_->interfaces().set_movable(std::move(movable));
    if (cluster_witness_) cluster_witness_->take(view, place_.cluster().serving);
  }
  void move_clients_of(uint32_t node) {
    if (!rpc_) return;
    const auto moved = rpc_->witness().move_group_away(group_of(node));
    if (moved) {
      log::info("node {} is drained: {} registrations with Witness were told to use other nodes",
                node, *moved);
    } else {
      log::warn("node {} is drained, and Witness knows no address of another node for its clients",
                node);
    }
  }
  std::vector<store::ctdb::TcpConnection> tcp_connections() {
    std::vector<store::ctdb::TcpConnection> all;
    for (const auto& connection : engine_->connections()) {
      transport::Transport& transport = connection->transport();
      if (transport.remote_memory()) continue;  // over a card
      const auto client = IpAddress::of(transport.peer().data());
      const auto server = IpAddress::of(transport.local().data());
      if (!client || !server) continue;
      all.push_back({{*client, transport.peer().port()}, {*server, transport.local().port()}});
    }
    return all;
  }

  // The registrations of all clients, and what clients of other workers are told, are here.
  void start_witness() {
    const config::Server& settings = config_->server;
    const std::string netbios = netbios_name(settings.name);
    std::vector<std::string> names{settings.name, netbios, dns_host_name()};
    rpc_logons_.emplace(engine_->logons, engine_->files.fds, engine_->memory,
                        [this] { return engine_->next_connection_number(); });
    rpc_.emplace(
        rpc::tcp::Server::Parts{.reactors = reactors_,
                                .host = *rpc_logons_,
                                .authenticator = *authenticator_,
                                .directory = directory_.directory(),
                                .server_names = std::move(names),
                                .witness_port = static_cast<uint16_t>(settings.witness_port_used)});
    if (!place_.cluster) {
      witness_addresses_.emplace(settings, netbios, rpc_->witness());
      return;
    }
    cluster_witness_.emplace(rpc_->witness());
    witness_addresses_.emplace(
        settings, group_of(place_.cluster().node), rpc_->witness(),
        [this](const auto& address) { return engine_->interfaces().is_movable(address); });
  }

  Result<void> begin_with_cards(UniqueFd link) {
    using transport::relay::WorkerEnd;
    const size_t pool = size_t{config_->server.rdma_memory_mib} << 20;
    WorkerEnd::Handlers handlers{
        .arrived = [this](auto arrived) { adopt_direct(std::move(arrived)); },
        .listening =
            [this](const auto& address) {
              if (const auto own = IpAddress::of(address.data())) (void)engine_->rdma.add(*own);
            },
        .lost =
            [this] {
              engine_->rdma.clear();
              log::info("SMB Direct: its process has ended, and its connections with it");
            }};
    BRAID_TRY(auto cards, WorkerEnd::make(pool, std::move(handlers)));
    for (const int fd : cards->descriptors()) {
      BRAID_CHECK(send_message(link.get(), MessageKind::kCardShare, pool, fd));
    }
    engine_->rdma.clear();
    BRAID_CHECK(cards->start(std::move(link)));
    cards_ = std::move(cards);
    return {};
  }
  // Thread: the cards'.
  void adopt_direct(transport::smbdirect::Arrived arrived) {
    std::lock_guard lock(arrivals_);
    if (is_draining_) return;
    engine_->adopt(
        [arrived = std::move(arrived)](Reactor& reactor) mutable {
          return transport::smbdirect::make_smbdirect_transport(
              reactor, std::move(arrived.pair), transport::smbdirect::Role::kPassive,
              {.settings = transport::smbdirect::server_settings(),
               .peer = arrived.peer,
               .local = arrived.local,
               .heard = std::move(arrived.heard)});
        },
        {}, Arrival::kNew);
  }

  // One missing disk is no reason to keep the others from being served, and one that hangs none to
  // keep this thread. Each worker looks when a client connects; at the start and after a reload one
  // of them says it.
  void note_absent(std::shared_ptr<const smb2::ShareTable> shares) const {
    if (place_.index != 0) return;
    try {
      std::thread([shares = std::move(shares)] {
        for (const auto& share : shares->all()) {
          if (share->type() != smb2::ShareType::kPipe) smb2::begin_look(share->configured());
        }
        for (const auto& share : shares->all()) (void)share->absence();
      }).detach();
    } catch (const std::system_error& error) {
      log::warn("cannot look which shares are there: {}", error.what());
    }
  }

  // Before the shares are served, so the disks of those with persistent handles are waited for.
  // Those that are open already keep their logs.
  void recover_handles(const smb2::ShareTable& shares) {
    bool have_all_begun = true;
    for (const auto& entry : shares.all()) {
      if (!entry->configured().continuous_availability) continue;
      const auto begun = recover_handles(*entry);
      if (begun) continue;
      have_all_begun = false;
      log::error(
          "share '{}' is absent until the configuration is read again: persistent handles: {}",
          entry->name(), log::Whole{begun.error()});
    }
    engine_->files.persistent->end_recovery(have_all_begun);
    engine_->files.arm_scavenger();
  }
  std::expected<void, std::string> recover_handles(smb2::ShareEntry& entry) {
    const auto share = entry.connect({});
    if (!share) return std::unexpected("the folder is not there");
    auto folder = smb2::open_handles_folder(**share);
    if (!folder && folder.error().is_os(EOPNOTSUPP)) {
      return std::unexpected(fmt::format("{}: {}", (*share)->real_path, config::kNoBirthTime));
    }
    if (!folder) {
      const char* const what_to_do = folder.error().is_os(EPERM)
                                         ? "; it is not the server's, or others may write to it: "
                                           "look who made it, and remove it"
                                         : "";
      return std::unexpected(fmt::format("{}/.braid/handles: {}{}", (*share)->real_path,
                                         folder.error().message(), what_to_do));
    }
    smb2::PersistentHandles::Server server{.id = {}, .worker = static_cast<uint32_t>(place_.index)};
    if (machine_) {
      server.worker_of = [workers = machine_->size()](const ClientGuid& client) {
        return worker_of(client, workers);
      };
    }
    server.id.bytes = engine_->server_guid().bytes;
    return engine_->files.persistent->begin(*share, std::move(*folder), server);
  }

  // Of accounts that were disabled or removed while no worker listened to who then ends their
  // sessions. Before one does again: who comes later is heard.
  void end_sessions_without_account() {
    for (const auto& session : engine_->logons.session_table.all()) {
      if (!session->security() || !session->security()->has_session_key) continue;
      const std::string account = session->principal().identity->account_name;
      if (lets_in(account)) continue;
      log::info("a session of '{}' is ended: the account was disabled or removed", account);
      engine_->logons.end_session(session->session_id);
    }
  }
  // Accounts that cannot be read shut nobody out who is in.
  bool lets_in(const std::string& account) const {
    if (const auto user = users_.find(account)) return !user->is_disabled;
    const auto is_shut_out = users_.shuts_out(account, account);
    return !is_shut_out || !*is_shut_out;
  }

  // Clients are served without it, too.
  void listen_for_administrators() {
    const std::string& folder = config_->server.state_dir;
    auto control = admin::ControlServer::listen(folder, place_.index, [this](auto line) {
      const std::vector<std::string_view> waiting = *waiting_.lock();
      return admin::answer_control(*engine_, rpc_ ? &*rpc_ : nullptr, place_, waiting, line);
    });
    if (control) {
      control_ = std::move(*control);
    } else {
      log::warn("{}/{}: {}; braidctl will not see this worker", folder, admin::kControlFolder,
                control.error().message());
    }
  }

  config::Snapshot config_;
  const admin::WorkerPlace place_;
  Guarded<std::vector<std::string_view>> waiting_;  // keys, for a restart
  const size_t descriptors_;
  ConnectionRouter* const router_;
  const transport::TcpOptions tcp_options_ = tcp_options();
  std::unique_ptr<store::Group> group_;
  store::WorkerGroup* const machine_;  // what of it is of this machine
  std::optional<smb2::SharedFileLocks> file_locks_;
  auth::UserStore users_;
  auth::IdMapper ids_;
  auth::LogonPenalties penalties_;
  LiveDirectory directory_;
  std::unique_ptr<auth::Authenticator> authenticator_;
  std::optional<rpc::PipeRegistry> pipes_;
  ReactorPool reactors_;
  WorkerPool pool_;
  std::unique_ptr<smb2::AuditLog> audit_;  // null: there is none
  std::optional<smb2::Server> engine_;
  // Of Witness, where it is on and this is the worker that has it.
  std::optional<smb2::RpcLogons> rpc_logons_;
  std::optional<rpc::tcp::Server> rpc_;
  std::optional<ClusterWitness> cluster_witness_;  // of a node
  std::optional<WitnessAddresses> witness_addresses_;
  std::unique_ptr<ClusterAddresses> cluster_addresses_;  // null: no cluster
  std::unique_ptr<admin::ControlServer> control_;
  // Of SMB Direct, where there is a process with the cards.
  std::mutex arrivals_;  // held while one is given to the engine
  bool is_draining_ = false;
  Connected connected_ = Connected::kEnd;  // when it was suspended
  std::unique_ptr<transport::relay::WorkerEnd> cards_;
};

}  // namespace

std::expected<std::unique_ptr<WorkerServer>, std::string> make_worker_server(
    config::Snapshot config, admin::WorkerPlace place, ConnectionRouter* router, size_t descriptors,
    std::unique_ptr<store::Group> group, store::WorkerGroup* machine, WorkerBegin begin) {
  const std::string& folder = config->server.state_dir;
  const auto complain = [&](Error error) {
    return std::unexpected(auth::state_complaint(folder, error, config->file));
  };
  auto users = auth::UserStore::open(folder);
  if (!users) return complain(users.error());
  auto ids = auth::IdMapper::open(folder, netbios_name(config->server.name));
  if (!ids) return complain(ids.error());
  try {
    auto server =
        std::make_unique<SmbWorkerServer>(config, place, router, std::move(group), machine,
                                          descriptors, std::move(*users), std::move(*ids));
    if (auto opened = server->open(begin); !opened) return std::unexpected(opened.error());
    return server;
  } catch (const std::system_error& error) {
    return std::unexpected(no_threads(*config, error.code().message()));
  }
}

}  // namespace braid::braidd
