#include "base/ask_apart.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/close_from.h"
#include "base/unique_fd.h"

namespace braid {
namespace {

// The kernel counts threads as folders.
bool has_one_thread() {
  struct stat status{};
  return ::stat("/proc/self/task", &status) == 0 && status.st_nlink == 3;
}

// In the child. Nothing that others wait for the end of may stay open: sockets, locks, the log.
[[noreturn]] void be_asked(const std::function<void(int)>& ask, int out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::dup2(out, 0);
  close_from(1);
  ask(0);
  ::_exit(0);
}

Told read_in_time(int in, std::chrono::milliseconds limit) {
  Told told;
  const auto end = system_clock().monotonic() + limit;
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - system_clock().monotonic());
    pollfd wait{in, POLLIN, 0};
    if (left.count() <= 0) return told;
    if (::poll(&wait, 1, static_cast<int>(left.count())) <= 0) continue;
    char bytes[4096];
    const ssize_t got = ::read(in, bytes, sizeof bytes);
    if (got == 0) told.is_whole = true;
    if (got <= 0) return told;
    told.bytes.append(bytes, static_cast<size_t>(got));
  }
}

}  // namespace

Result<Told> ask_apart(std::function<void(int)> ask, std::chrono::milliseconds limit) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_last_os();
  const UniqueFd in(ends[0]);
  UniqueFd out(ends[1]);
  if (!has_one_thread()) {
    try {
      std::thread([ask = std::move(ask), out = std::make_shared<UniqueFd>(std::move(out))] {
        ask(out->get());
      }).detach();
    } catch (const std::system_error& error) {
      return fail(Error::os(error.code().value()));
    }
    return read_in_time(in.get(), limit);
  }
  const pid_t pid = ::fork();
  if (pid < 0) return fail_last_os();
  if (pid == 0) be_asked(ask, out.get());
  out.reset();
  Told told = read_in_time(in.get(), limit);
  ::kill(pid, SIGKILL);
  // One that waits for a disk ends with that wait; whoever is its parent then takes note.
  ::waitpid(pid, nullptr, told.is_whole ? 0 : WNOHANG);
  return told;
}

}  // namespace braid
