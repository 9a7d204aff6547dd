#include "apps/braidd/system_calls.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

#include "apps/braidd/system_call_lists.h"
#include "base/log.h"
#include "base/log_prepare.h"

namespace braid::braidd {
namespace {

// Before Linux 6.x headers: names of memory areas, which allocators set.
constexpr uint64_t kPrSetVma = 0x53564d41;

// The one place that writes rules. An error sticks, and load() tells it.
class Filter {
 public:
  explicit Filter(uint32_t otherwise) : context_(::seccomp_init(otherwise)) {
    if (!context_) {
      error_ = -ENOMEM;
      return;
    }
    // Another way to call the kernel is not one of this program's.
    note(::seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
    // A tree and not one comparison after the other.
    note(::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));
  }

  void allow(std::span<const int> calls) {
    for (const int call : calls) add(SCMP_ACT_ALLOW, call, {});
  }
  void allow(int call) { add(SCMP_ACT_ALLOW, call, {}); }
  void allow_if(int call, std::initializer_list<scmp_arg_cmp> arguments) {
    add(SCMP_ACT_ALLOW, call, arguments);
  }
  void kill(std::span<const int> calls) {
    for (const int call : calls) add(SCMP_ACT_KILL_PROCESS, call, {});
  }
  void fail(int call, uint16_t error) { add(SCMP_ACT_ERRNO(error), call, {}); }

  // 0, or a negative error number.
  int load() { return error_ != 0 ? error_ : ::seccomp_load(context_.get()); }

 private:
  struct Release {
    void operator()(scmp_filter_ctx context) const { ::seccomp_release(context); }
  };

  void add(uint32_t action, int call, std::initializer_list<scmp_arg_cmp> arguments) {
    if (!context_ || call == __NR_SCMP_ERROR) return;
    const int added =
        ::seccomp_rule_add_array(context_.get(), action, call,
                                 static_cast<unsigned>(arguments.size()), std::data(arguments));
    // -EEXIST, -EDOM: in two lists, or not a call of this machine.
    if (added != -EEXIST && added != -EDOM) note(added);
  }
  void note(int result) {
    if (result < 0 && error_ == 0) error_ = result;
  }

  std::unique_ptr<void, Release> context_;
  int error_ = 0;
};

scmp_arg_cmp is(unsigned argument, uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, 0xFFFF'FFFF, value};
}
scmp_arg_cmp has(unsigned argument, uint64_t bits) {
  return {argument, SCMP_CMP_MASKED_EQ, bits, bits};
}
scmp_arg_cmp lacks(unsigned argument, uint64_t bits) {
  return {argument, SCMP_CMP_MASKED_EQ, bits, 0};
}

// Memory is written or run, not both, and never made to run later.
void allow_memory(Filter& filter, Role role) {
  if (kSanitized) {
    filter.allow(SCMP_SYS(mmap));
    return filter.allow(SCMP_SYS(mprotect));
  }
  filter.allow_if(SCMP_SYS(mmap), {lacks(2, PROT_EXEC)});
  filter.allow_if(SCMP_SYS(mprotect), {lacks(2, PROT_EXEC)});
  // Libraries that the name services load.
  if (role != Role::kFront) filter.allow_if(SCMP_SYS(mmap), {lacks(2, PROT_WRITE)});
  // What a program is started with may have its first pages mapped anew.
  if (role == Role::kSupervisor) filter.allow_if(SCMP_SYS(mprotect), {lacks(2, PROT_WRITE)});
}

// Of one's own: abort() and what stops a thread.
void allow_signals(Filter& filter) {
  filter.allow_if(SCMP_SYS(tgkill), {is(0, static_cast<uint32_t>(::getpid()))});
  // Whether a process is there.
  filter.allow_if(SCMP_SYS(kill), {is(1, 0)});
}

void allow_threads(Filter& filter) {
  constexpr uint64_t kThread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
  filter.allow_if(SCMP_SYS(clone), {has(0, kThread)});
  // Its flags are in memory, where a filter cannot look. The C library then takes clone().
  if (!kSanitized) filter.fail(SCMP_SYS(clone3), ENOSYS);
}

// To name services, DNS and KDCs, braidctl; netlink tells the interfaces.
void allow_sockets(Filter& filter) {
  constexpr uint64_t kType = 0xF;
  filter.allow_if(SCMP_SYS(socket), {is(0, AF_UNIX)});
  filter.allow_if(SCMP_SYS(socketpair), {is(0, AF_UNIX)});
  for (const int family : {AF_INET, AF_INET6}) {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      filter.allow_if(SCMP_SYS(socket),
                      {is(0, static_cast<uint64_t>(family)),
                       {1, SCMP_CMP_MASKED_EQ, kType, static_cast<uint64_t>(type)}});
    }
  }
  filter.allow_if(SCMP_SYS(socket), {is(0, AF_NETLINK), is(2, 0)});  // NETLINK_ROUTE
}

void allow_ioctls(Filter& filter) {
  constexpr uint64_t kAllowed[] = {
      FICLONE,           FICLONERANGE, FS_IOC_FIEMAP, FS_IOC_GETFLAGS, FS_IOC_SETFLAGS,
      FS_IOC_FSGETXATTR, FIONBIO,      FIONREAD,      SIOCOUTQ,        SIOCATMARK,
      SIOCETHTOOL,       SIOCGIFNAME,  SIOCGIFINDEX,  SIOCGIFCONF,     SIOCGIFFLAGS,
      SIOCGIFADDR,       TCGETS};
  for (const uint64_t request : kAllowed) filter.allow_if(SCMP_SYS(ioctl), {is(1, request)});
}

void allow_prctl(Filter& filter, std::initializer_list<uint64_t> operations) {
  for (const uint64_t operation : operations) {
    filter.allow_if(SCMP_SYS(prctl), {is(0, operation)});
  }
}

void allow_serving(Filter& filter, Role role) {
  filter.allow(kServing);
  allow_sockets(filter);
  allow_ioctls(filter);
  if (role == Role::kWorker) {
    allow_threads(filter);
    allow_signals(filter);
    // To ask, not to change.
    filter.allow_if(SCMP_SYS(prlimit64), {{2, SCMP_CMP_EQ, 0, 0}});
    filter.allow(SCMP_SYS(getrlimit));
    allow_prctl(filter, {PR_SET_NAME, PR_GET_NAME, PR_CAPBSET_READ, PR_GET_DUMPABLE,
                         PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP, kPrSetVma});
  }
}

void allow_cards(Filter& filter) {
  filter.allow(kCards);
  filter.allow_if(SCMP_SYS(ioctl), {is(1, RDMA_VERBS_IOCTL)});
  filter.allow_if(SCMP_SYS(ioctl), {is(1, FIONBIO)});
  filter.allow_if(SCMP_SYS(socket), {is(0, AF_NETLINK), is(2, NETLINK_RDMA)});
}

#if defined(__x86_64__) || defined(__aarch64__)

void set_result(ucontext_t& context, int result) {
#if defined(__x86_64__)
  context.uc_mcontext.gregs[REG_RAX] = result;
#else
  context.uc_mcontext.regs[0] = static_cast<unsigned long long>(static_cast<long long>(result));
#endif
}

// One line for each call; and for those beyond the table, which no kernel has, none.
void on_refused(int /*signal*/, siginfo_t* info, void* raw_context) {
  static std::array<std::atomic<bool>, 1024> said{};
  const auto number = static_cast<unsigned>(info->si_syscall);
  if (number < said.size() && !said[number].exchange(true)) {
    // Nothing but write() may be used here.
    char line[] = "braidd: refused system call 0000; docs/privileges.md says what is allowed\n";
    char* digit = std::strchr(line, '0') + 3;
    for (unsigned rest = number, i = 0; i < 4; ++i, rest /= 10) {
      *digit-- = static_cast<char>('0' + rest % 10);
    }
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, line, sizeof line - 1);
  }
  set_result(*static_cast<ucontext_t*>(raw_context), -ENOSYS);
}

uint32_t refuse_with_a_line() {
  struct sigaction action{};
  action.sa_sigaction = on_refused;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  ::sigaction(SIGSYS, &action, nullptr);
  return SCMP_ACT_TRAP;
}

#else

uint32_t refuse_with_a_line() { return SCMP_ACT_ERRNO(ENOSYS); }

#endif

uint32_t otherwise(Role role) {
  switch (role) {
    case Role::kFront:
      return SCMP_ACT_KILL_PROCESS;
    case Role::kWorker:
    case Role::kRdma:
    case Role::kKeeper:
      return refuse_with_a_line();
    case Role::kSupervisor:
      break;
  }
  return SCMP_ACT_ERRNO(ENOSYS);
}

}  // namespace

void restrict_system_calls(Role role, bool starts_cards) {
  // Here and not in each role, so that none can be without: a line must not cost its process.
  log::prepare();
  Filter filter(otherwise(role));
  filter.allow(kEverybody);
  // What the C library's streams ask about a descriptor.
  filter.allow_if(SCMP_SYS(newfstatat), {has(3, AT_EMPTY_PATH)});
  filter.allow_if(SCMP_SYS(ioctl), {is(1, TCGETS)});
  allow_memory(filter, role);
  if (kSanitized) {
    filter.allow(kSanitizers);
    filter.allow(SCMP_SYS(clone));
    filter.allow(SCMP_SYS(prctl));
  }
  switch (role) {
    case Role::kFront:
      allow_signals(filter);
      break;
    case Role::kWorker:
      allow_serving(filter, role);
      if (!kSanitized) filter.kill(kOnlyIntruders);
      if (!kSanitized) filter.kill(kRunsPrograms);
      break;
    case Role::kRdma:
      allow_cards(filter);
      filter.allow_if(SCMP_SYS(prlimit64), {{2, SCMP_CMP_EQ, 0, 0}});
      allow_prctl(filter, {PR_SET_NAME, PR_GET_NAME, kPrSetVma});
      allow_signals(filter);
      if (!kSanitized) filter.kill(kOnlyIntruders);
      if (!kSanitized) filter.kill(kRunsPrograms);
      break;
    case Role::kKeeper:
      filter.allow(kKeeping);
      filter.allow_if(SCMP_SYS(socket), {is(0, AF_UNIX)});
      filter.allow_if(SCMP_SYS(ioctl), {is(1, FIONBIO)});
      allow_threads(filter);
      allow_signals(filter);
      allow_prctl(filter, {PR_SET_NAME, PR_GET_NAME, kPrSetVma});
      if (!kSanitized) filter.kill(kOnlyIntruders);
      if (!kSanitized) filter.kill(kRunsPrograms);
      break;
    case Role::kSupervisor:
      allow_serving(filter, role);
      filter.allow(kStarting);
      if (starts_cards) allow_cards(filter);
      filter.allow(SCMP_SYS(clone));
      filter.allow(SCMP_SYS(prctl));
      if (!kSanitized) filter.kill(kOnlyIntruders);
      break;
  }
  if (const int error = filter.load(); error != 0) {
    log::warn("system calls are not restricted: {}", std::strerror(-error));
  }
}

}  // namespace braid::braidd
