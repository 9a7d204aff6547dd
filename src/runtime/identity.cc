#include "runtime/identity.h"

#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cassert>

#include "base/log.h"
#include "runtime/at_once.h"
#include "runtime/reactor.h"

namespace braid {
namespace {

// What the kernel holds for this thread. Null: not known, as in a new thread, which starts with
// what its creator happened to have.
thread_local Credentials taken;
// What of it a ScopedPrivilege has put the server's in place of. The supplementary groups are those
// of `taken` all the time; nested scopes and assume() need to know.
enum class Put : uint8_t { kNothing, kUser, kUserAndGroup };
thread_local Put put = Put::kNothing;

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

// Each call that changes something costs the kernel a copy of the thread's credentials, so only
// what differs is changed. REQUIRES taken. False: the thread's identity is not known any more.
bool change_to(Put wanted) {
  const UnixCredentials& server = *server_credentials();
  const bool server_group = wanted == Put::kUserAndGroup;
  const bool server_user = wanted != Put::kNothing;
  if ((server_group != (put == Put::kUserAndGroup) &&
       !set_group(server_group ? server.gid : taken->gid)) ||
      (server_user != (put != Put::kNothing) && !set_user(server_user ? server.uid : taken->uid))) {
    taken = nullptr;
    put = Put::kNothing;
    return false;
  }
  put = wanted;
  return true;
}

std::atomic<OnReactor> file_calls = OnReactor::kAborts;
thread_local int at_once = 0;  // scopes

void look_for_reactor() {
  if (at_once > 0 || !Reactor::current()) return;
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

ScopedAtOnce::ScopedAtOnce() { ++at_once; }
ScopedAtOnce::~ScopedAtOnce() { --at_once; }
bool must_not_wait() { return at_once > 0; }

void set_file_calls(OnReactor on_reactor) { file_calls = on_reactor; }

Result<void> assume(const Credentials& who) {
  look_for_reactor();
  return assume_on_reactor(who);
}

Result<void> assume_on_reactor(const Credentials& who) {
  if (!can_switch_identity()) return {};
  if (!who) return fail_os(EPERM);
  if (taken && (taken == who || *taken == *who)) {
    if (!change_to(Put::kNothing)) return fail_os(EPERM);
    return {};
  }
  taken = nullptr;
  put = Put::kNothing;
  if (syscall(SYS_setgroups, who->groups.size(), who->groups.data()) != 0) return fail_last_os();
  if (!set_user_and_group(*who)) return fail_os(EPERM);
  taken = who;
  return {};
}

bool acts_as_server() {
  if (!can_switch_identity()) return false;
  return put != Put::kNothing || (taken && taken->uid == server_credentials()->uid);
}

ScopedPrivilege::ScopedPrivilege(Privilege privilege) {
  look_for_reactor();
  const Put wanted = privilege == Privilege::kNothingNew ? Put::kUser : Put::kUserAndGroup;
  if (!can_switch_identity() || put >= wanted) return;
  if (taken && taken->uid == server_credentials()->uid) return;
  if (!taken) {
    status_ = assume(server_credentials());
    return;
  }
  const auto before = static_cast<uint8_t>(put);
  if (!change_to(wanted)) {
    status_ = fail_os(EPERM);
    return;
  }
  before_ = before;
}

ScopedPrivilege::~ScopedPrivilege() {
  // Of whoever was taken last. When this fails the thread's identity is unknown, and the next
  // assume() sets everything anew.
  if (before_ && taken) (void)change_to(static_cast<Put>(*before_));
}

ScopedUser::ScopedUser(const Credentials& who)
    : before_(taken), put_before_(static_cast<uint8_t>(put)), status_(assume(who)) {}

ScopedUser::ScopedUser() : ScopedUser(taken ? Credentials(taken) : server_credentials()) {}

ScopedUser::~ScopedUser() {
  if (!before_) return;
  // A failure shows at the next one.
  if (assume(before_) && put_before_ != 0) (void)change_to(static_cast<Put>(put_before_));
}

}  // namespace braid
