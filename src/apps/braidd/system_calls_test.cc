#include "apps/braidd/system_calls.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "base/log.h"

namespace braid::braidd {
namespace {

constexpr int kKilled = -SIGSYS;

// What becomes of `act` in a process of `role`: what it returns, or minus the signal that ended it.
int in_role(Role role, const std::function<int()>& act, int log = -1) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_DUMPABLE, 0);
    if (log >= 0) ::dup2(log, STDERR_FILENO);
    restrict_system_calls(role);
    ::_exit(act());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// 0 when `result` is none of an error, else the error number.
int error_of(long result) { return result < 0 ? errno : 0; }

int run_true() {
  char name[] = "true";
  char* arguments[] = {name, nullptr};
  ::execv("/bin/true", arguments);
  return errno;
}

class SystemCalls : public testing::Test {
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "a sanitizer's runtime may do more";
  }
};

TEST_F(SystemCalls, FrontServesItsSocketsAndMemory) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  EXPECT_EQ(in_role(Role::kFront,
                    [&] {
                      char byte = 'x';
                      if (::send(ends[0], &byte, 1, 0) != 1) return 1;
                      if (::recv(ends[1], &byte, 1, 0) != 1) return 2;
                      std::string large(10'000'000, 'x');
                      return large[9'999'999] == 'x' ? 0 : 3;
                    }),
            0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(SystemCalls, EveryRoleMayWriteLines) {
  for (const Role role : {Role::kFront, Role::kWorker, Role::kSupervisor, Role::kRdma}) {
    std::FILE* const log = std::tmpfile();
    EXPECT_EQ(in_role(
                  role,
                  [] {
                    log::set_level(log::Level::kDebug);
                    log::debug("one");
                    log::info("two");
                    log::warn("three");
                    log::error("four");
                    return 0;
                  },
                  ::fileno(log)),
              0)
        << "role " << static_cast<int>(role);
    std::string text(4096, '\0');
    text.resize(static_cast<size_t>(
        std::max<ssize_t>(0, ::pread(::fileno(log), text.data(), text.size(), 0))));
    EXPECT_EQ(std::ranges::count(text, '\n'), 4) << text;
    std::fclose(log);
  }
}

TEST_F(SystemCalls, FrontEndsWithWhateverItDoesNotDo) {
  const std::function<int()> acts[] = {
      [] { return error_of(::socket(AF_INET, SOCK_STREAM, 0)); },
      [] { return error_of(::open("/etc/passwd", O_RDONLY)); },
      [] { return error_of(::syscall(SYS_clone, SIGCHLD, nullptr)); },
      [] { return run_true(); },
      [] { return error_of(::kill(::getppid(), SIGTERM)); },
      [] {
        void* page =
            ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return error_of(::mprotect(page, 4096, PROT_READ | PROT_EXEC));
      },
  };
  for (const auto& act : acts) {
    EXPECT_EQ(in_role(Role::kFront, act), kKilled) << "act " << &act - &acts[0];
  }
}

TEST_F(SystemCalls, TheProcessWithTheCardsAsksDevicesAndReachesNobody) {
  EXPECT_EQ(in_role(Role::kRdma,
                    [] {
                      const int fd = ::open("/dev/null", O_RDWR);
                      if (fd < 0) return 1;
                      ::ioctl(fd, RDMA_VERBS_IOCTL, nullptr);
                      return errno == ENOTTY ? 0 : errno;
                    }),
            0);
  EXPECT_EQ(in_role(Role::kRdma, [] { return error_of(::socket(AF_INET, SOCK_STREAM, 0)); }),
            ENOSYS);
  EXPECT_EQ(in_role(Role::kRdma, [] { return error_of(::unlink("/nothing")); }), ENOSYS);
  EXPECT_EQ(in_role(Role::kRdma, run_true), kKilled);
}

TEST_F(SystemCalls, WorkerDoesItsWork) {
  EXPECT_EQ(in_role(Role::kWorker,
                    [] {
                      pthread_t thread;
                      if (::pthread_create(&thread, nullptr, [](void* p) { return p; }, nullptr)) {
                        return 1;
                      }
                      ::pthread_join(thread, nullptr);
                      if (!::getpwnam("root")) return 2;
                      if (::socket(AF_INET6, SOCK_DGRAM, 0) < 0) return 3;
                      if (::open("/etc/passwd", O_RDONLY) < 0) return 4;
                      if (::kill(::getppid(), 0) != 0) return 5;
                      return 0;
                    }),
            0);
}

TEST_F(SystemCalls, AbortStillEndsAWorkerAsItDoes) {
  EXPECT_EQ(in_role(Role::kWorker,
                    [] {
                      std::abort();
                      return 0;
                    }),
            -SIGABRT);
}

TEST_F(SystemCalls, WorkerEndsWithWhatOnlyAnIntruderDoes) {
  const std::function<int()> acts[] = {
      [] { return run_true(); },
      [] { return error_of(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); },
      [] { return error_of(::mount("none", "/", nullptr, 0, nullptr)); },
      [] { return error_of(::syscall(SYS_unshare, 0)); },
      [] { return error_of(::syscall(SYS_bpf, 0, nullptr, 0)); },
      [] { return error_of(::syscall(SYS_init_module, nullptr, 0, "")); },
      [] { return error_of(::syscall(SYS_process_vm_readv, 1, nullptr, 0, nullptr, 0, 0)); },
  };
  for (const auto& act : acts) {
    EXPECT_EQ(in_role(Role::kWorker, act), kKilled) << "act " << &act - &acts[0];
  }
}

TEST_F(SystemCalls, WorkerIsRefusedTheRestAndLivesOn) {
  const std::function<int()> acts[] = {
      [] { return error_of(::socket(AF_PACKET, SOCK_RAW, 0)); },
      [] { return error_of(::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)); },
      [] { return error_of(::socket(AF_VSOCK, SOCK_STREAM, 0)); },
      [] { return error_of(::syscall(SYS_clone, SIGCHLD, nullptr)); },
      [] { return error_of(::syscall(SYS_clone3, nullptr, 0)); },
      [] { return error_of(::syscall(SYS_keyctl, 0, 0)); },
      [] { return error_of(::kill(::getppid(), SIGTERM)); },
      [] { return error_of(::prctl(PR_SET_DUMPABLE, 1)); },
      [] {
        const rlimit limit{.rlim_cur = 8, .rlim_max = 8};
        return error_of(::setrlimit(RLIMIT_NOFILE, &limit));
      },
      [] {
        int byte = 'x';
        return error_of(::ioctl(0, 0x5412, &byte));  // TIOCSTI
      },
      [] {
        void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return page == MAP_FAILED ? errno : 0;
      },
  };
  for (const auto& act : acts) {
    EXPECT_EQ(in_role(Role::kWorker, act), ENOSYS) << "act " << &act - &acts[0];
  }
}

TEST_F(SystemCalls, RefusalIsOneLineForEachCall) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_EQ(in_role(
                Role::kWorker,
                [] {
                  for (int i = 0; i < 3; ++i) ::syscall(SYS_keyctl, 0, 0);
                  return 0;
                },
                ends[1]),
            0);
  ::close(ends[1]);
  std::string text(4096, '\0');
  text.resize(static_cast<size_t>(std::max<ssize_t>(::read(ends[0], text.data(), text.size()), 0)));
  ::close(ends[0]);
  char number[8];
  std::snprintf(number, sizeof number, "%04d", static_cast<int>(SYS_keyctl));
  EXPECT_EQ(text, std::string("braidd: refused system call ") + number +
                      "; docs/privileges.md says what is allowed\n");
}

TEST_F(SystemCalls, SupervisorStartsProcessesWhichInheritItsRefusals) {
  const auto in_child = [](const std::function<int()>& act) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(act());
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status);
  };
  EXPECT_EQ(in_role(Role::kSupervisor, [&] { return in_child(run_true); }), 0);
  EXPECT_EQ(
      in_role(Role::kSupervisor,
              [&] {
                return in_child([] { return error_of(::mount("none", "/", nullptr, 0, nullptr)); });
              }),
      100 + SIGSYS);
  // A worker's list on top of it.
  EXPECT_EQ(in_role(Role::kSupervisor,
                    [&] {
                      return in_child([] {
                        restrict_system_calls(Role::kWorker);
                        return run_true();
                      });
                    }),
            100 + SIGSYS);
}

}  // namespace
}  // namespace braid::braidd
