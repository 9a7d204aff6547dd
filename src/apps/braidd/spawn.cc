#include "apps/braidd/spawn.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

namespace braid::braidd {
namespace {

std::string path_of(int program) {
  return program < 0 ? "/proc/self/exe" : "/proc/self/fd/" + std::to_string(program);
}

std::vector<char*> pointers_to(const std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (const auto& each : arguments) pointers.push_back(const_cast<char*>(each.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// In the child, between fork and exec.
[[noreturn]] void run(char* const* arguments, const std::vector<int>& fds, int program) {
  // Out of the way first, so that placing one does not overwrite another; no further, as the limit
  // of descriptors may be low.
  const int out_of_the_way = kFirstGivenFd + static_cast<int>(fds.size());
  std::vector<int> copies;
  for (const int fd : fds) copies.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, out_of_the_way));
  if (program >= 0) program = ::fcntl(program, F_DUPFD_CLOEXEC, out_of_the_way);
  const std::string path = path_of(program);
  int place = kFirstGivenFd;
  for (const int copy : copies) ::dup2(copy, place++);  // dup2 clears close-on-exec
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(path.c_str(), arguments);
  ::_exit(127);
}

}  // namespace

Result<pid_t> spawn(const std::vector<std::string>& arguments, const std::vector<int>& fds,
                    int program) {
  const std::vector<char*> pointers = pointers_to(arguments);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_last_os();
  if (pid == 0) run(pointers.data(), fds, program);
  return pid;
}

Error become(int program, const std::vector<std::string>& arguments, const std::vector<int>& fds) {
  const std::vector<char*> pointers = pointers_to(arguments);
  for (const int fd : fds) ::fcntl(fd, F_SETFD, 0);
  ::execv(path_of(program).c_str(), pointers.data());
  const Error error = fail_last_os().error();
  for (const int fd : fds) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return error;
}

}  // namespace braid::braidd
