#include "admin/control_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <vector>

#include "admin/socket_path.h"
#include "base/log.h"

namespace braid::admin {
namespace {

// For those who have asked when it ends.
constexpr std::chrono::milliseconds kLastTime{200};

// Root, and whoever the server runs as: both could look into the process anyway.
bool may_ask(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

// Bound under a name nobody looks for, and renamed once it has its mode: there is no moment at
// which a client finds no socket, or one that it should not open.
Result<UniqueFd> bind_listener(int folder, const std::string& name) {
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return fail_last_os();
  const std::string fresh = "new." + name;
  ::unlinkat(folder, fresh.c_str(), 0);
  const sockaddr_un address = socket_address(folder, fresh);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::fchmodat(folder, fresh.c_str(), 0600, 0) != 0 ||
      ::listen(listener.get(), static_cast<int>(kClientsMax)) != 0 ||
      ::renameat(folder, fresh.c_str(), folder, name.c_str()) != 0) {
    return fail_last_os();
  }
  return listener;
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::listen(const std::string& state_dir,
                                                             size_t worker, Answer answer) {
  const std::string path = state_dir + "/" + std::string(kControlFolder);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail_last_os();
  UniqueFd folder(::open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return fail_last_os();
  std::string name = socket_name(worker);
  BRAID_TRY(UniqueFd listener, bind_listener(folder.get(), name));
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return fail_last_os();
  try {
    return std::unique_ptr<ControlServer>(new ControlServer(std::move(folder), std::move(name),
                                                            std::move(listener), std::move(wake),
                                                            std::move(answer)));
  } catch (const std::system_error& error) {
    return fail_os(error.code().value());
  }
}

ControlServer::ControlServer(UniqueFd folder, std::string name, UniqueFd listener, UniqueFd wake,
                             Answer answer)
    : folder_(std::move(folder)),
      name_(std::move(name)),
      listener_(std::move(listener)),
      wake_(std::move(wake)),
      answer_(std::move(answer)) {
  thread_ = std::thread([this] { run(); });
}

ControlServer::~ControlServer() {
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
  ::unlinkat(folder_.get(), name_.c_str(), 0);
}

// Who has connected is answered. Whoever comes now is refused, and knows that nothing was asked.
void ControlServer::answer_the_last() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  const auto end = system_clock().monotonic() + kLastTime;
  for (;;) {
    accept_clients();
    if (clients_.empty()) return;
    std::vector<pollfd> waits;
    for (const Client& client : clients_) {
      const short event = client.answer.empty() ? POLLIN : POLLOUT;
      waits.push_back({client.socket.get(), event, 0});
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - system_clock().monotonic());
    if (left.count() <= 0) return;
    if (::poll(waits.data(), waits.size(), static_cast<int>(left.count())) < 0) continue;
    size_t index = 0;
    for (auto client = clients_.begin(); client != clients_.end(); ++index) {
      const bool keep = waits[index].revents == 0 || serve(*client);
      client = keep ? std::next(client) : clients_.erase(client);
    }
  }
}

void ControlServer::run() {
  ::prctl(PR_SET_NAME, "control");
  while (true) {
    std::vector<pollfd> waits{{wake_.get(), POLLIN, 0}};
    // A full house leaves newcomers in the backlog.
    const bool has_room = clients_.size() < kClientsMax;
    waits.push_back({has_room ? listener_.get() : -1, POLLIN, 0});
    for (const Client& client : clients_) {
      const short event = client.answer.empty() ? POLLIN : POLLOUT;
      waits.push_back({client.socket.get(), event, 0});
    }
    if (::poll(waits.data(), waits.size(), wait_ms()) < 0) continue;
    if (waits[0].revents != 0) return answer_the_last();
    const auto now = system_clock().monotonic();
    size_t index = 2;
    for (auto client = clients_.begin(); client != clients_.end(); ++index) {
      const bool keep = waits[index].revents == 0 ? now < client->deadline : serve(*client);
      client = keep ? std::next(client) : clients_.erase(client);
    }
    if (waits[1].revents != 0) accept_clients();
  }
}

int ControlServer::wait_ms() const {
  if (clients_.empty()) return -1;
  // All have the same time, so the first is the first to run out.
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(clients_.front().deadline -
                                                                 system_clock().monotonic());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

void ControlServer::accept_clients() {
  while (clients_.size() < kClientsMax) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    if (!may_ask(socket.get())) {
      log::warn("someone who is neither root nor the server's user asked on the control socket");
      continue;
    }
    clients_.push_back({.socket = std::move(socket),
                        .deadline = system_clock().monotonic() + kClientTime,
                        .received = {},
                        .answer = {}});
  }
}

bool ControlServer::serve(Client& client) const {
  return client.answer.empty() ? receive(client) : send(client);
}

bool ControlServer::receive(Client& client) const {
  char bytes[kRequestBytesMax];
  const ssize_t got = ::recv(client.socket.get(), bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  client.received.append(bytes, static_cast<size_t>(got));
  const size_t end = client.received.find('\n');
  if (end == std::string::npos) return client.received.size() <= kRequestBytesMax;
  if (end > kRequestBytesMax) return false;
  client.answer = answer_(std::string_view(client.received).substr(0, end));
  return send(client);
}

bool ControlServer::send(Client& client) const {
  while (client.sent < client.answer.size()) {
    const ssize_t count = ::send(client.socket.get(), client.answer.data() + client.sent,
                                 client.answer.size() - client.sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    client.sent += static_cast<size_t>(count);
  }
  return false;
}

}  // namespace braid::admin
