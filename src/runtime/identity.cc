#include "runtime/identity.h"

#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cassert>

#include "base/log.h"
#include "runtime/reactor.h"

namespace braid {
namespace {

// What the kernel holds for this thread. Null: not known, as in a new thread, which starts with
// what its creator happened to have.
thread_local Credentials taken;
// Inside ScopedPrivilege the user and group are the server's while the supplementary groups are
// still those of `taken`; nested scopes and assume() need to know.
thread_local bool privileged = false;

// glibc's wrappers of these change every thread of the process; the bare calls change one.
bool set_user(uid_t uid) {
  syscall(SYS_setfsuid, uid);
  return static_cast<uid_t>(syscall(SYS_setfsuid, static_cast<uid_t>(-1))) == uid;
}
bool set_group(gid_t gid) {
  syscall(SYS_setfsgid, gid);
  return static_cast<gid_t>(syscall(SYS_setfsgid, static_cast<gid_t>(-1))) == gid;
}

// The user comes last: taking it away drops the capabilities that would let later calls undo it.
bool set_user_and_group(const UnixCredentials& who) {
  return set_group(who.gid) && set_user(who.uid);
}

std::atomic<OnReactor> file_calls = OnReactor::kAborts;

void look_for_reactor() {
  if (!Reactor::current()) return;
  assert(file_calls.load(std::memory_order_relaxed) == OnReactor::kIsLogged);
  log::error("a file was worked on where connections are served; please report this as a defect");
}

Credentials started_with() {
  UnixCredentials credentials{geteuid(), getegid(), {}};
  const int count = getgroups(0, nullptr);
  if (count > 0) {
    credentials.groups.resize(static_cast<size_t>(count));
    const int got = getgroups(count, credentials.groups.data());
    credentials.groups.resize(got > 0 ? static_cast<size_t>(got) : 0);
  }
  return std::make_shared<const UnixCredentials>(std::move(credentials));
}

}  // namespace

const Credentials& server_credentials() {
  static const Credentials credentials = started_with();
  return credentials;
}

bool can_switch_identity() {
  static const bool root = geteuid() == 0;
  return root;
}

void set_file_calls(OnReactor on_reactor) { file_calls = on_reactor; }

Result<void> assume(const Credentials& who) {
  look_for_reactor();
  return assume_on_reactor(who);
}

Result<void> assume_on_reactor(const Credentials& who) {
  if (!can_switch_identity()) return {};
  if (!who) return fail_os(EPERM);
  if (!privileged && taken && (taken == who || *taken == *who)) return {};
  taken = nullptr;
  privileged = false;
  if (syscall(SYS_setgroups, who->groups.size(), who->groups.data()) != 0) return fail_last_os();
  if (!set_user_and_group(*who)) return fail_os(EPERM);
  taken = who;
  return {};
}

ScopedPrivilege::ScopedPrivilege() {
  look_for_reactor();
  if (!can_switch_identity() || privileged) return;
  if (taken && taken->uid == server_credentials()->uid) return;
  if (!taken) {
    status_ = assume(server_credentials());
    return;
  }
  before_ = taken;
  if (set_user_and_group(*server_credentials())) {
    privileged = true;
    return;
  }
  taken = nullptr;
  before_ = nullptr;
  status_ = fail_os(EPERM);
}

ScopedPrivilege::~ScopedPrivilege() {
  if (!before_) return;
  privileged = false;
  // Whoever was taken last: the supplementary groups are theirs. When this fails the thread's
  // identity is unknown, and the next assume() sets everything anew.
  if (!taken || !set_user_and_group(*taken)) taken = nullptr;
}

ScopedUser::ScopedUser(const Credentials& who)
    : before_(taken), was_privileged_(privileged), status_(assume(who)) {}

ScopedUser::ScopedUser() : ScopedUser(taken ? Credentials(taken) : server_credentials()) {}

ScopedUser::~ScopedUser() {
  if (was_privileged_) {
    privileged = set_user_and_group(*server_credentials());
    if (!privileged) taken = nullptr;
  } else if (before_) {
    (void)assume(before_);  // a failure shows at the next one
  }
}

}  // namespace braid
