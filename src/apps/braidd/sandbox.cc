#include "apps/braidd/sandbox.h"

#include <grp.h>
#include <linux/landlock.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "base/log.h"
#include "base/unique_fd.h"

namespace braid::braidd {
namespace {

// Every Linux has this id for "nobody"; asking the user database would open files and sockets.
constexpr uid_t kNobody = 65'534;

[[noreturn]] void cannot(const char* what) {
  log::error("the front cannot give up {}; it will not run with it", what);
  std::exit(1);
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
}

void become_child_of_supervisor() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) std::signal(signal, SIG_IGN);
}

void prepare_to_act_as_users() {
  ::umask(0);
  // A thread that acts as a user by its file system uid keeps this capability, and the kernel lets
  // whoever has it write beyond quotas and into blocks reserved for root.
  cap_t held = ::cap_get_proc();
  if (!held) return;
  const cap_value_t resource = CAP_SYS_RESOURCE;
  ::cap_set_flag(held, CAP_EFFECTIVE, 1, &resource, CAP_CLEAR);
  ::cap_set_flag(held, CAP_PERMITTED, 1, &resource, CAP_CLEAR);
  if (::cap_set_proc(held) != 0) log::warn("cannot give up CAP_SYS_RESOURCE: quotas may not hold");
  ::cap_free(held);
}

}  // namespace braid::braidd
