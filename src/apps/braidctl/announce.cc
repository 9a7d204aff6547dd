#include "apps/braidctl/announce.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <expected>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "apps/braidctl/announce_context.h"
#include "apps/braidctl/announce_mdns.h"
#include "apps/braidctl/announce_places.h"
#include "apps/braidctl/announce_wsd.h"
#include "apps/braidctl/output.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/log_prepare.h"
#include "base/unique_fd.h"
#include "crypto/sha256.h"
#include "network/netlink.h"
#include "runtime/asio.h"
#include "wire/smb2/aapl.h"

namespace braid::braidctl {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr auto kBetweenAddressLooks = 2s;  // at the machine's addresses
constexpr auto kBetweenConfigLooks = 5s;
constexpr uid_t kNobody = 65'534;

// What of a configuration is told.
struct Announcement {
  bool discovery = false;
  std::string name;
  std::vector<config::Endpoint> listen;
  std::vector<std::string> time_machine_shares;

  bool operator==(const Announcement&) const = default;
  bool is_on() const {
    return discovery && std::ranges::any_of(listen, [](const config::Endpoint& each) {
             return each.port == kServedPort;
           });
  }
};

Announcement announcement_of(const config::Config& config) {
  Announcement out{.discovery = config.server.discovery,
                   .name = config.server.name,
                   .listen = config.server.listen};
  for (const config::Share& share : config.shares) {
    if (share.time_machine_gib && share.browseable && share.streams && !share.read_only) {
      out.time_machine_shares.push_back(share.name);
    }
  }
  return out;
}

// The same for each start, and of no use to find the machine's id, machine-id(5).
std::string uuid_of_server(const std::string& name) {
  std::ifstream in("/etc/machine-id");
  const std::string machine{std::istreambuf_iterator<char>(in), {}};
  return uuid_of(crypto::sha256(as_bytes("braid announces " + machine + name)));
}

void give_up_rights() {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (::geteuid() == 0 &&
      (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0 ||
       ::setresuid(kNobody, kNobody, kNobody) != 0)) {
    log::error("this process cannot give up root; it will not run with it");
    ::_exit(1);
  }
}

// Follows the links of this machine. Thread: that of run().
class Announcer {
 public:
  Announcer(const Announcement& what, UniqueFd alive)
      : listen_(what.listen),
        all_{.io = io_},
        clock_(io_),
        alive_(io_, alive.release()),
        signals_(io_, SIGTERM, SIGINT) {
    all_.uuid = uuid_of_server(what.name);
    all_.wsd = {
        .id = "urn:uuid:" + all_.uuid,
        .name = what.name,
        .workgroup = "WORKGROUP",
        .instance = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(
                                              std::chrono::system_clock::now().time_since_epoch())
                                              .count())};
    all_.mdns = {.name = what.name,
                 .model = wire::Aapl::kServerModel,
                 .time_machine_shares = what.time_machine_shares};
  }

  void run() {
    asio::co_spawn(io_, look_for_places(), asio::detached);
    signals_.async_wait([this](const error_code&, int) { end(); });
    // Nothing comes there: it ends with who began this process, or who wants it to end.
    alive_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [this](const error_code&) { end(); });
    io_.run();
  }

 private:
  struct Link {
    ServedLink link;
    std::shared_ptr<WsdOnLink> wsd;
    std::shared_ptr<MdnsOnLink> mdns;
  };

  void end() {
    for (auto& [index, each] : links_) leave(each);
    links_.clear();
    io_.stop();
  }

  static void leave(const Link& link) {
    link.wsd->end();
    link.mdns->end();
  }

  asio::awaitable<void> look_for_places() {
    while (true) {
      look();
      clock_.expires_after(kBetweenAddressLooks);
      co_await clock_.async_wait(asio::use_awaitable);
    }
  }

  void look() {
    if (!netlink_) {
      auto opened = network::Netlink::open();
      if (opened) netlink_.emplace(std::move(*opened));
    }
    if (!netlink_ || !netlink_->refresh(state_)) {
      all_.complaints.say("netlink", "the kernel does not say which addresses there are");
      return;
    }
    all_.complaints.settle("netlink");
    all_.own.clear();
    for (const auto& each : state_.addresses) all_.own.push_back(each.address);
    const std::vector<ServedLink> now = served_links(state_, listen_);
    std::erase_if(links_, [&](const auto& each) {
      const Link& link = each.second;
      // By its index: one made anew under the same name is another one.
      if (std::ranges::any_of(now, [&](const ServedLink& served) {
            return served.index == each.first && served.name == link.link.name;
          })) {
        return false;
      }
      leave(link);
      log::info("no more announced on {}", link.link.show());
      return true;
    });
    for (const ServedLink& served : now) update(served);
  }

  void update(const ServedLink& served) {
    auto [at, is_new] = links_.try_emplace(served.index);
    Link& link = at->second;
    if (is_new) {
      link.wsd = std::make_shared<WsdOnLink>(all_, served);
      link.mdns = std::make_shared<MdnsOnLink>(all_, served);
    }
    if (link.link != served) {
      link.link = served;
      log::info("announced as {} on {}", all_.wsd.name, served.show());
    }
    link.wsd->update(served);
    link.mdns->update(served);
  }

  const std::vector<config::Endpoint> listen_;
  asio::io_context io_{1};
  AnnounceContext all_;
  asio::steady_timer clock_;
  asio::posix::stream_descriptor alive_;
  asio::signal_set signals_;
  std::optional<network::Netlink> netlink_;
  network::NetworkState state_;
  std::map<uint32_t, Link> links_;
};

// The process that announces, while this one obeys the configuration: that one has no rights and
// hears strangers, this one hears nobody. Thread: one.
class AnnouncingProcess {
 public:
  bool is_there() const { return pid_ > 0; }

  bool start(const Announcement& what, const sigset_t& signals_before) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return false;
    UniqueFd theirs(pipe[0]);
    UniqueFd ours(pipe[1]);
    const pid_t pid = ::fork();
    if (pid < 0) return false;
    if (pid == 0) {
      ours.reset();
      ::sigprocmask(SIG_SETMASK, &signals_before, nullptr);
      ::signal(SIGHUP, SIG_IGN);
      give_up_rights();
      Announcer(what, std::move(theirs)).run();
      ::_exit(0);
    }
    pid_ = pid;
    alive_ = std::move(ours);
    return true;
  }

  // It says good-bye and is gone.
  void end() {
    if (!is_there()) return;
    alive_.reset();
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }

  // Whether it has ended by itself.
  bool has_ended() {
    if (!is_there() || ::waitpid(pid_, nullptr, WNOHANG) != pid_) return false;
    pid_ = -1;
    alive_.reset();
    return true;
  }

 private:
  pid_t pid_ = -1;
  UniqueFd alive_;
};

// Of a file, whether it is another one than before.
struct FileState {
  ino_t inode = 0;
  off_t size = 0;
  timespec time{};
  bool operator==(const FileState& other) const {
    return std::tie(inode, size, time.tv_sec, time.tv_nsec) ==
           std::tie(other.inode, other.size, other.time.tv_sec, other.time.tv_nsec);
  }
};

FileState state_of(const std::string& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_size, status.st_mtim};
}

void say_what_is_off(const Announcement& what) {
  if (!what.discovery) {
    log::info("nothing is announced: discovery = false");
  } else if (!what.is_on()) {
    log::info("nothing is announced: who finds a server by its name tries port {} only",
              kServedPort);
  }
}

}  // namespace

int announce(const config::Config& config, const AnnounceArguments&) {
  log::set_component("announce");
  log::prepare();
  sigset_t signals;
  sigset_t before;
  ::sigemptyset(&signals);
  for (const int each : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::sigaddset(&signals, each);
  ::sigprocmask(SIG_BLOCK, &signals, &before);

  Announcement what = announcement_of(config);
  FileState file = state_of(config.file);
  AnnouncingProcess process;
  say_what_is_off(what);
  while (true) {
    if (what.is_on() && !process.is_there() && !process.start(what, before)) {
      return complain("no process can be made here; try again later");
    }
    const timespec wait{.tv_sec = std::chrono::seconds(kBetweenConfigLooks).count(), .tv_nsec = 0};
    const int signal = ::sigtimedwait(&signals, nullptr, &wait);
    if (signal == SIGTERM || signal == SIGINT) break;
    if (process.has_ended()) {
      log::error("who announces has ended; another one begins in {} s",
                 kBetweenConfigLooks.count());
      const int other = ::sigtimedwait(&signals, nullptr, &wait);
      if (other == SIGTERM || other == SIGINT) break;
    }
    const FileState now = state_of(config.file);
    if (now == file && signal != SIGHUP) continue;
    file = now;
    const auto text = config::read_file(config.file);
    const auto loaded =
        text ? config::parse(*text, config.file) : std::unexpected(config::Problems{text.error()});
    if (!loaded) {
      log::warn("{}; announced is what was before", log::Whole{loaded.error().front().text()});
      continue;
    }
    Announcement wanted = announcement_of(**loaded);
    if (wanted == what) continue;
    what = std::move(wanted);
    process.end();
    say_what_is_off(what);
  }
  process.end();
  return 0;
}

}  // namespace braid::braidctl
