// braidd: the server program. One build, six roles: the supervisor that is started by hand or by
// systemd; the front, the workers, the process with the network cards and, for an upgrade, the
// probe, which it starts; or all in one process.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <new>

#include "apps/braidd/descriptor_limit.h"
#include "apps/braidd/exit_status.h"
#include "apps/braidd/front.h"
#include "apps/braidd/generation.h"
#include "apps/braidd/keeper.h"
#include "apps/braidd/listen.h"
#include "apps/braidd/memory_file.h"
#include "apps/braidd/probe.h"
#include "apps/braidd/rdma.h"
#include "apps/braidd/reload.h"
#include "apps/braidd/sandbox.h"
#include "apps/braidd/server.h"
#include "apps/braidd/signals.h"
#include "apps/braidd/single_process.h"
#include "apps/braidd/spawn.h"
#include "apps/braidd/state_lock.h"
#include "apps/braidd/supervisor.h"
#include "apps/braidd/thread_limit.h"
#include "apps/braidd/worker.h"
#include "base/close_from.h"
#include "base/log.h"
#include "base/printable.h"
#include "base/serving_term.h"
#include "config/keys.h"
#include "config/restart.h"
#include "store/cluster/cluster_group.h"
#include "store/cluster/home_keeper.h"
#include "store/ctdb/record_file.h"
#include "vfs/posix/posix_volume.h"

namespace braid::braidd {
namespace {

struct CommandLine {
  std::string config_file = config::kUsualFile;
  bool check = false;
  bool single_process = false;
  bool config_help = false;
  // How the supervisor starts the others; not for people.
  std::string role;
  size_t index = 0;
  size_t workers = 1;
  std::string name;           // [server] name at the start, which may have been the machine's then
  uint32_t witness_port = 0;  // the one that is listened to
  std::string listeners;      // of each the Service, as a digit
  std::string rdma_listen;    // rdma_endpoints()
  std::string cluster;        // the socket of ctdbd, of a node
  uint64_t said = 0;          // by the last process with the cards
  int log_level = static_cast<int>(log::Level::kInfo);
  bool when_told = false;  // not at once: another has its place still
  uint64_t upgrade_attempts = 0;
  uint64_t restarts = 0;  // of this worker
  int resumed = -1;       // the state of the supervisor that this process was before
};

int complain(int status, const std::string& line) {
  std::fprintf(stderr, "braidd: %s\n", printable(line).c_str());
  return status;
}

int complain(int status, const config::Problems& problems) {
  for (const auto& problem : problems) complain(status, problem.text());
  return status;
}

[[noreturn]] void run_front(const CommandLine& line) {
  ::prctl(PR_SET_NAME, "braidd-front");
  log::set_component("front");
  log::set_level(static_cast<log::Level>(line.log_level));
  Front::Options options{.control = UniqueFd(kFirstGivenFd),
                         .workers = line.workers,
                         .limits = fit(FrontLimits{}, raise_descriptor_limit(), line.workers),
                         .is_held = line.when_told};
  int fd = kFirstGivenFd;
  for (const char service : line.listeners) {
    options.listeners.push_back({UniqueFd(++fd), static_cast<Service>(service - '0')});
  }
  enter_front_sandbox();
  Front(std::move(options)).run();
  // What would run at an ordinary exit (a sanitizer's leak check) wants files, which are given up.
  ::_exit(0);
}

[[noreturn]] void run_rdma_process(const CommandLine& line) {
  ::prctl(PR_SET_NAME, "braidd-rdma");
  log::set_component("rdma");
  log::set_level(static_cast<log::Level>(line.log_level));
  become_child_of_supervisor();
  ::fcntl(kFirstGivenFd, F_SETFD, FD_CLOEXEC);
  raise_descriptor_limit();
  // As the front: without what would run at an ordinary exit.
  ::_exit(run_rdma(UniqueFd(kFirstGivenFd), line.rdma_listen, line.workers, line.said));
}

[[noreturn]] void run_keeper_process(const CommandLine& line) {
  ::prctl(PR_SET_NAME, "braidd-keeper");
  log::set_component("keeper");
  log::set_level(static_cast<log::Level>(line.log_level));
  for (int fd = kFirstGivenFd; fd < kFirstGivenFd + 3; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  store::ctdb::TdbFile::prepare();
  enter_keeper_sandbox();
  // As the front: without what would run at an ordinary exit.
  ::_exit(run_keeper(UniqueFd(kFirstGivenFd), UniqueFd(kFirstGivenFd + 1),
                     UniqueFd(kFirstGivenFd + 2), line.cluster));
}

struct WorkerConfig {
  config::Snapshot config;
  std::vector<std::string_view> waiting;  // keys, for a restart
};

// What the supervisor gave: the text it started with, and the one of the last reload.
std::expected<WorkerConfig, config::Problems> config_of_worker(const CommandLine& line,
                                                               int started_text, int text) {
  const auto started = config::parse(read_memory_file(started_text), line.config_file);
  if (!started) return std::unexpected(started.error());
  const auto wanted = config::parse(read_memory_file(text), line.config_file);
  if (!wanted) return std::unexpected(wanted.error());
  config::Server server = (*started)->server;
  server.name = line.name;
  server.witness_port_used = line.witness_port;
  return WorkerConfig{config::until_restart(server, **wanted),
                      config::waiting_keys((*started)->server, (*wanted)->server)};
}

// `cluster`: null without one; it lives as long as the server.
std::function<admin::ClusterFacts()> facts_of(const store::cluster::ClusterGroup* cluster) {
  if (!cluster) return nullptr;
  return [cluster] {
    const store::NodeCounts& counts = cluster->counts();
    return admin::ClusterFacts{.node = static_cast<uint32_t>(cluster->own_tag().index()),
                               .there = counts.there,
                               .serving = counts.serving,
                               .records = counts.records,
                               .coming = counts.coming,
                               .leaving = counts.leaving};
  };
}

int run_worker_process(const CommandLine& line) {
  ::prctl(PR_SET_NAME, "braidd-worker");
  log::set_component(fmt::format("worker {}", line.index));
  become_child_of_supervisor();
  // In the order of Supervisor::start().
  UniqueFd control(kFirstGivenFd);
  const UniqueFd started_text(kFirstGivenFd + 1);
  const UniqueFd text(kFirstGivenFd + 2);
  constexpr int kFirstOfGroup = kFirstGivenFd + 3;
  for (int fd = kFirstGivenFd; fd < kFirstOfGroup; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  const auto given = config_of_worker(line, started_text.get(), text.get());
  if (!given) return complain(kBadText, given.error());
  const config::Snapshot& config = given->config;
  apply_log_level(*config);
  (void)vfs::go_among_descriptors();
  enter_worker_sandbox(*config, false);
  std::unique_ptr<store::Group> group;
  store::WorkerGroup* machine = nullptr;
  const store::cluster::ClusterGroup* cluster = nullptr;
  const auto take_fds = [](size_t count) {
    std::vector<UniqueFd> fds;
    for (size_t i = 0; i < count; ++i) {
      fds.emplace_back(kFirstOfGroup + static_cast<int>(i));
      ::fcntl(fds.back().get(), F_SETFD, FD_CLOEXEC);
    }
    return fds;
  };
  if (!line.cluster.empty()) {
    auto fds = take_fds(store::GroupResources::descriptors(store::cluster::kRegionWorkers) + 1);
    UniqueFd keeper = std::move(fds.back());
    fds.pop_back();
    auto joined = store::cluster::ClusterGroup::join({.socket_path = line.cluster,
                                                      .keeper = std::move(keeper),
                                                      .fds = std::move(fds),
                                                      .lost = [] { ::_exit(kCannotRun); }});
    if (!joined) {
      return complain(kCannotRun,
                      fmt::format("cannot join the cluster: {}; raise what limits memory "
                                  "(MemoryMax= of the systemd unit, ulimit -v)",
                                  joined.error().message()));
    }
    machine = &(*joined)->node();
    cluster = joined->get();
    group = std::move(*joined);
    set_serving_term(&machine->region().serves_until(), [] {
      log::error(
          "this node has not heard from its cluster for too long, and others may go on "
          "without it: all connections are closed");
      ::_exit(kTermOver);
    });
  } else if (line.workers > 1) {
    auto fds = take_fds(store::GroupResources::descriptors(line.workers));
    auto joined = store::WorkerGroup::join(line.index, std::move(fds));
    if (!joined) {
      return complain(kCannotRun,
                      fmt::format("cannot join the other workers: {}; raise what limits memory "
                                  "(MemoryMax= of the systemd unit, ulimit -v), or lower workers",
                                  joined.error().message()));
    }
    machine = joined->get();
    group = std::move(*joined);
  }
  const size_t workers = line.workers;
  PassedOn passed_on(line.index, workers);
  auto upgrades = std::make_shared<Guarded<admin::Upgrades>>();
  upgrades->lock()->attempts = line.upgrade_attempts;
  const admin::WorkerPlace place{.index = line.index,
                                 .workers = workers,
                                 .supervisor = ::getppid(),
                                 .version = BRAID_VERSION,
                                 .upgrades = std::move(upgrades),
                                 .cluster = facts_of(cluster),
                                 .restarts = line.restarts};
  const auto begin = line.when_told ? WorkerBegin::kTakingOver : WorkerBegin::kServing;
  auto server = make_worker_server(config, place, &passed_on, descriptor_limit(), std::move(group),
                                   machine, begin);
  if (!server) return complain(kCannotRun, server.error());
  (*server)->keys_wait(given->waiting);
  const auto end = run_worker(std::move(control), **server, passed_on, *config, begin);
  if (end == WorkerEnd::kLeft) {
    // Nothing is closed: what is open is open in the workers that have its place now.
    std::fflush(nullptr);
    ::_exit(0);
  }
  return end == WorkerEnd::kDrained ? 0 : kCannotRun;
}

int run_probe_process(const CommandLine& line) {
  ::prctl(PR_SET_NAME, "braidd-probe");
  become_child_of_supervisor();
  // Which may have died before that: nobody would end this process while it waits for a disk.
  pollfd supervisor{.fd = kFirstGivenFd, .events = 0, .revents = 0};
  if (::poll(&supervisor, 1, 0) > 0) return 0;
  const UniqueFd running(kFirstGivenFd + 1);
  ::fcntl(kFirstGivenFd, F_SETFD, FD_CLOEXEC);
  ::fcntl(running.get(), F_SETFD, FD_CLOEXEC);
  run_probe(UniqueFd(kFirstGivenFd), read_memory_file(running.get()), line.config_file,
            BRAID_VERSION);
  return 0;
}

// The file that this program is, which an upgrade replaces.
std::string own_program() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

// This process was a supervisor of another version, and has its process id, children and sockets.
int go_on_serving(const CommandLine& line) {
  ::prctl(PR_SET_NAME, "braidd");
  auto state = [&] {
    const UniqueFd file(line.resumed);
    return decode_server_state(read_memory_file(file.get()));
  }();
  if (!state) return complain(kCannotRun, "after the upgrade: " + state.error());
  for (const int fd : Generation::descriptors_in(*state)) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  UniqueFd lock(state->lock);
  auto generation = Generation::of(*state);
  if (!generation) return complain(kCannotRun, "after the upgrade: " + generation.error());
  const auto parsed = config::parse(generation->started_text, line.config_file);
  if (!parsed) return complain(kBadText, parsed.error());
  auto started = std::make_shared<config::Config>(**parsed);
  started->server.name = state->server_name;
  started->server.witness_port_used = state->witness_port_used;
  log::set_level(generation->log_level);
  enter_supervisor_sandbox(state->has_cards, CallList::kIsThere);
  Supervisor supervisor(std::move(started), std::move(*generation), std::move(lock),
                        state->program);
  supervisor.resume();
  return supervisor.run();
}

std::string_view purpose(Service service) {
  switch (service) {
    case Service::kSmb:
      return "";
    case Service::kEndpointMapper:
      return " for the endpoint mapper";
    case Service::kWitness:
      return " for Witness";
  }
  return "";
}

int serve(const CommandLine& line) {
  auto text = config::read_file(line.config_file);
  if (!text) return complain(kCannotRun, text.error().text());
  auto config = config::parse(*text, line.config_file, config::Checks::kTextAndPaths);
  if (!config) {
    const bool is_text_good = config::parse(*text, line.config_file).has_value();
    return complain(is_text_good ? kCannotRun : kBadText, config.error());
  }
  if (line.check) {
    const size_t shares = (*config)->shares.size();
    fmt::print("{}: {} share{}, no mistakes\n", line.config_file, shares, shares == 1 ? "" : "s");
    for (const std::string& absent : config::absent_shares(**config)) fmt::print("{}\n", absent);
    for (const std::string& each : config::without_effect(**config)) fmt::print("{}\n", each);
    return 0;
  }
  for (const std::string& each : config::without_effect(**config))
    log::warn("{}", log::Whole{each});
  apply_log_level(**config);
  const size_t descriptors = raise_descriptor_limit();
  const size_t of_worker =
      descriptors - (line.single_process ? descriptors_of_front(descriptors) : 0);
  if (auto enough = check_descriptor_limit(descriptors, of_worker); !enough) {
    return complain(kCannotRun, enough.error());
  }
  if (auto enough = check_thread_limit(**config, thread_room()); !enough) {
    return complain(kCannotRun, enough.error());
  }
  // Until this returns, whatever becomes of the workers meanwhile.
  auto state_lock = lock_state_dir((*config)->server.state_dir, line.config_file);
  if (!state_lock) return complain(kCannotRun, state_lock.error());
  auto listeners = open_all_listeners((*config)->server);
  if (!listeners) return complain(kCannotRun, listeners.error());
  for (const Listener& listener : *listeners) {
    log::info("listening on {}{}", listener.address, purpose(listener.service));
  }
  if ((*config)->server.witness) {
    auto changed = std::make_shared<config::Config>(**config);
    changed->server.witness_port_used = port_of(*listeners, Service::kWitness);
    config = std::move(changed);
  }
  const bool has_rdma = (*config)->server.rdma;
  if (!line.single_process) {
    if (has_rdma) raise_memory_lock_limit((*config)->server);
    const ServerState plan = plan_of(**config, *listeners, BRAID_VERSION);
    std::string program = own_program();
    enter_supervisor_sandbox(has_rdma, CallList::kIsMade);
    return Supervisor(*config, Generation(plan, std::move(*text), std::move(*listeners)),
                      std::move(*state_lock), std::move(program))
        .run();
  }
  if (has_rdma) log::warn("SMB Direct is off: it takes a process of its own");
  if (!(*config)->server.cluster.empty()) {
    return complain(kCannotRun,
                    "a node of a cluster takes several processes; leave out "
                    "--single-process");
  }
  const UniqueFd signals = take_signals({SIGTERM, SIGINT, SIGHUP, SIGUSR2});
  enter_worker_sandbox(**config, true);
  auto server = make_worker_server(*config, {.supervisor = ::getpid(), .version = BRAID_VERSION},
                                   nullptr, of_worker);
  if (!server) return complain(kCannotRun, server.error());
  return run_single_process(*config, std::move(*listeners), **server, signals.get());
}

int run(int argc, char** argv) {
  ignore_signals_of_writes();
  CommandLine line;
  CLI::App app("braid serves folders over SMB 2 and 3.", "braidd");
  app.set_version_flag("--version", "braid " BRAID_VERSION);
  app.add_option("-c,--config", line.config_file, "The configuration, a TOML file")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_flag("--check", line.check, "Say what is wrong with the configuration, and exit");
  app.add_flag("--single-process", line.single_process, "Run everything as threads of one process");
  app.add_flag("--config-help", line.config_help, "List the keys of the configuration, and exit");
  app.add_option("--role", line.role)->group("");
  app.add_option("--index", line.index)->group("");
  app.add_option("--workers", line.workers)->group("");
  app.add_option("--name", line.name)->group("");
  app.add_option("--listeners", line.listeners)->group("");
  app.add_option("--rdma-listen", line.rdma_listen)->group("");
  app.add_option("--cluster", line.cluster)->group("");
  app.add_option("--said", line.said)->group("");
  app.add_option("--witness-port", line.witness_port)->group("");
  app.add_option("--log-level", line.log_level)->group("");
  app.add_flag("--when-told", line.when_told)->group("");
  app.add_option("--upgrade-attempts", line.upgrade_attempts)->group("");
  app.add_option("--restarts", line.restarts)->group("");
  app.add_option("--resumed", line.resumed)->group("");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return complain(kBadText, fmt::format("{}; braidd --help shows the options", error.what()));
  }
  if (line.config_help) {
    fmt::print("{}", config::describe_keys());
    return 0;
  }
  if (line.role == "front") run_front(line);
  if (line.role == "rdma") run_rdma_process(line);
  if (line.role == "keeper") run_keeper_process(line);
  if (line.role == "probe") return run_probe_process(line);
  if (line.resumed >= 0) return go_on_serving(line);
  // Of whoever started it, by accident: the front is to have nothing but its sockets, and a disk
  // must not stay in use. No role takes sockets from systemd.
  if (line.role.empty()) close_from(kFirstGivenFd);
  return line.role == "worker" ? run_worker_process(line) : serve(line);
}

}  // namespace
}  // namespace braid::braidd

int main(int argc, char** argv) {
  try {
    return braid::braidd::run(argc, argv);
  } catch (const std::bad_alloc&) {
    return braid::braidd::complain(
        braid::braidd::kCannotRun,
        "out of memory; raise what limits it (MemoryMax= of the systemd unit, ulimit -v)");
  }
}
