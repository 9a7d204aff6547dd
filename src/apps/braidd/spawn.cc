#include "apps/braidd/spawn.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

namespace braid::braidd {
namespace {

// In the child, between fork and exec.
[[noreturn]] void become(char* const* arguments, const std::vector<int>& fds) {
  // Out of the way first, so that placing one does not overwrite another; no further, as the limit
  // of descriptors may be low.
  const int out_of_the_way = kFirstGivenFd + static_cast<int>(fds.size());
  std::vector<int> copies;
  for (const int fd : fds) copies.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, out_of_the_way));
  int place = kFirstGivenFd;
  for (const int copy : copies) ::dup2(copy, place++);  // dup2 clears close-on-exec
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv("/proc/self/exe", arguments);
  ::_exit(127);
}

}  // namespace

Result<pid_t> spawn(const std::vector<std::string>& arguments, const std::vector<int>& fds) {
  std::vector<char*> pointers;
  for (const auto& each : arguments) pointers.push_back(const_cast<char*>(each.c_str()));
  pointers.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_last_os();
  if (pid == 0) become(pointers.data(), fds);
  return pid;
}

}  // namespace braid::braidd
