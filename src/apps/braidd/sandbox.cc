#include "apps/braidd/sandbox.h"

#include <grp.h>
#include <linux/landlock.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "apps/braidd/file_access.h"
#include "apps/braidd/system_calls.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace braid::braidd {
namespace {

// Every Linux has this id for "nobody"; asking the user database would open files and sockets.
constexpr uid_t kNobody = 65'534;

[[noreturn]] void cannot(const char* what) {
  log::error("this process cannot give up {}; it will not run with it", what);
  std::exit(1);
}

// docs/privileges.md has the reason for each.
constexpr cap_value_t kOfWorkers[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
                                      CAP_SETUID, CAP_SETGID,       CAP_SYS_ADMIN,       CAP_LEASE};
// For itself, and to be able to take from those it starts.
constexpr cap_value_t kOfSupervisor[] = {CAP_KILL, CAP_SETPCAP};
constexpr cap_value_t kUsedBySupervisor[] = {CAP_KILL, CAP_DAC_READ_SEARCH};

template <class Range>
bool contains(const Range& range, cap_value_t capability) {
  return std::ranges::find(range, capability) != std::end(range);
}

// Of what the process has, `permitted` stays, and `effective` in use. Programs that it runs get no
// more. Not an error for who has less: a container, an ordinary user.
bool keep_capabilities(std::span<const cap_value_t> permitted,
                       std::span<const cap_value_t> effective) {
  for (cap_value_t each = 0; ::prctl(PR_CAPBSET_READ, each) >= 0; ++each) {
    if (!contains(permitted, each)) ::prctl(PR_CAPBSET_DROP, each);
  }
  const cap_t had = ::cap_get_proc();
  const cap_t kept = ::cap_init();
  bool done = had && kept;
  for (size_t i = 0; done && i < permitted.size(); ++i) {
    cap_flag_value_t value = CAP_CLEAR;
    ::cap_get_flag(had, permitted[i], CAP_PERMITTED, &value);
    ::cap_set_flag(kept, CAP_PERMITTED, 1, &permitted[i], value);
    if (contains(effective, permitted[i])) {
      ::cap_set_flag(kept, CAP_EFFECTIVE, 1, &permitted[i], value);
    }
  }
  done = done && ::cap_set_proc(kept) == 0;
  ::cap_free(had);
  ::cap_free(kept);
  return done;
}

void give_up_root() {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability) >= 0; ++capability) {
    ::prctl(PR_CAPBSET_DROP, capability);
  }
  if (::setgroups(0, nullptr) != 0) cannot("its groups");
  if (::setresgid(kNobody, kNobody, kNobody) != 0) cannot("its group");
  if (::setresuid(kNobody, kNobody, kNobody) != 0) cannot("its user");
  if (::setresuid(0, 0, 0) == 0) cannot("root");
}

// An empty rule set: every access it names is refused. Unsupported kernels change nothing.
void refuse_files() {
  landlock_ruleset_attr attributes{};
  // Through LANDLOCK_ACCESS_FS_MAKE_SYM: the first version of the interface, which every kernel
  // that has Landlock takes.
  attributes.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
  const UniqueFd rules(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  if (!rules || ::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) {
    log::debug("this kernel has no Landlock; the front has only its user to keep it from files");
  }
}

}  // namespace

void enter_front_sandbox() {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (::geteuid() == 0) give_up_root();
  if (cap_t none = ::cap_init()) {
    if (::cap_set_proc(none) != 0) cannot("its capabilities");
    ::cap_free(none);
  }
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  refuse_files();
  // A change of user forgets this.
  become_child_of_supervisor();
  restrict_system_calls(Role::kFront);
}

void enter_rdma_sandbox() {
  constexpr cap_value_t kToBind[] = {CAP_NET_BIND_SERVICE};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  if (::geteuid() == 0) give_up_root();
  if (!keep_capabilities(kToBind, kToBind)) cannot("its capabilities");
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  confine_to_cards();
  // A change of user forgets this.
  become_child_of_supervisor();
}

void enter_keeper_sandbox() {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (!keep_capabilities({}, {})) cannot("its capabilities");
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  become_child_of_supervisor();
  restrict_system_calls(Role::kKeeper);
}

void become_child_of_supervisor() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) std::signal(signal, SIG_IGN);
}

void enter_worker_sandbox(const config::Config& config, bool reads_config) {
  ::umask(0);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  // Not among them: CAP_SYS_RESOURCE. A thread that acts as a user by its file system uid would
  // keep it, and the kernel lets whoever has it write beyond quotas and into blocks reserved for
  // root.
  if (!keep_capabilities(kOfWorkers, kOfWorkers)) {
    log::warn("cannot give up capabilities: quotas may not hold");
  }
  confine_to_files_of(config, reads_config);
  restrict_system_calls(Role::kWorker);
}

void enter_supervisor_sandbox(bool binds_rdma, CallList call_list) {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  std::vector<cap_value_t> permitted(std::begin(kOfWorkers), std::end(kOfWorkers));
  permitted.insert(permitted.end(), std::begin(kOfSupervisor), std::end(kOfSupervisor));
  if (binds_rdma) permitted.push_back(CAP_NET_BIND_SERVICE);
  if (!keep_capabilities(permitted, kUsedBySupervisor)) {
    log::warn("the supervisor cannot give up capabilities");
  }
  if (call_list == CallList::kIsMade) restrict_system_calls(Role::kSupervisor, binds_rdma);
}

}  // namespace braid::braidd
