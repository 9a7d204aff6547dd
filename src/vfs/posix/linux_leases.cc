#include "vfs/posix/linux_leases.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "runtime/identity.h"
#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

// Of the signals for programs' own use one that no library here takes.
int lease_signal() { return SIGRTMIN + 7; }

int type_of(GuardLevel level) {
  switch (level) {
    case GuardLevel::kWrite:
      return F_WRLCK;
    case GuardLevel::kRead:
      return F_RDLCK;
    case GuardLevel::kNone:
      break;
  }
  return F_UNLCK;
}

// How often is looked whether clients have answered: soon at first, since most answer at once.
constexpr std::chrono::milliseconds kLookFirst{1};
constexpr std::chrono::milliseconds kLookLast{20};

}  // namespace

Result<void> LinuxLeases::start() {
  if (thread_id_ != 0) return {};
  const std::lock_guard lock(starting_);
  if (stopping_) return fail_os(ECANCELED);
  if (thread_id_ != 0) return {};
  // The new thread begins with them blocked: either would end the process otherwise.
  sigset_t signals, before;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, lease_signal());
  ::sigaddset(&signals, SIGIO);
  ::pthread_sigmask(SIG_BLOCK, &signals, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  thread_id_.wait(0);
  return {};
}

void LinuxLeases::run() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, lease_signal());
  ::sigaddset(&signals, SIGIO);
  thread_id_ = ::gettid();
  thread_id_.notify_all();
  auto patience = kLookFirst;
  bool is_breaking = false;
  while (!stopping_) {
    siginfo_t info{};
    const timespec time{0, std::chrono::nanoseconds(patience).count()};
    const int got = ::sigtimedwait(&signals, &info, is_breaking ? &time : nullptr);
    if (stopping_) break;
    if (got == SIGIO) {
      guard_->look_at_all();
    } else if (got == lease_signal() && info.si_code > 0) {
      guard_->asked_for(info.si_fd);
    }
    patience = got > 0 ? kLookFirst : std::min(patience * 2, kLookLast);
    is_breaking = guard_->advance();
  }
}

void LinuxLeases::stop() {
  {
    const std::lock_guard lock(starting_);
    stopping_ = true;
  }
  if (!thread_.joinable()) return;
  wake();
  thread_.join();
}

void LinuxLeases::wake() {
  const pid_t thread = thread_id_;
  if (thread == 0) return;
  // Of signals with numbers a user has only so many at a time (RLIMIT_SIGPENDING); of SIGIO there
  // is always one to be had, and all is looked at.
  if (::tgkill(::getpid(), thread, lease_signal()) != 0) ::tgkill(::getpid(), thread, SIGIO);
}

// First, as the signal would be SIGIO and the process's otherwise.
Result<void> LinuxLeases::prepare(int descriptor) {
  const f_owner_ex owner{.type = F_OWNER_TID, .pid = thread_id_};
  if (::fcntl(descriptor, F_SETOWN_EX, &owner) != 0) return fail_last_os();
  if (::fcntl(descriptor, F_SETSIG, lease_signal()) != 0) return fail_last_os();
  return {};
}

Result<KernelLeases::Held> LinuxLeases::take(int descriptor, GuardLevel wanted) {
  BRAID_CHECK(start());
  const ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0) return fail_last_os();
  Held held;
  // Opened for attributes, which takes no right to the file: who has none is not to hold off who
  // has.
  if (flags & O_PATH) return fail_os(EAGAIN);
  held.descriptor.reset(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  if (!held.descriptor) return fail_last_os();
  held.may_be_read = (flags & O_ACCMODE) == O_RDONLY;
  const int own = held.descriptor.get();
  BRAID_CHECK(prepare(own));
  for (const GuardLevel level : {GuardLevel::kWrite, GuardLevel::kRead}) {
    if (level > wanted || (level == GuardLevel::kRead && !held.may_be_read)) continue;
    const auto done = set(own, level);
    if (done) {
      held.level = level;
      return held;
    }
    if (!done.error().is_os(EAGAIN)) return fail(done.error());
  }
  return fail_os(EAGAIN);
}

Result<UniqueFd> LinuxLeases::inherit(int descriptor) {
  BRAID_CHECK(start());
  UniqueFd own(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  if (!own) return fail_last_os();
  return own;
}

Result<void> LinuxLeases::set(int descriptor, GuardLevel level) {
  if (::fcntl(descriptor, F_SETLEASE, type_of(level)) != 0) return fail_last_os();
  return {};
}

GuardLevel LinuxLeases::due(int descriptor) {
  switch (::fcntl(descriptor, F_GETLEASE)) {
    case F_WRLCK:
      return GuardLevel::kWrite;
    case F_RDLCK:
      return GuardLevel::kRead;
    default:
      return GuardLevel::kNone;
  }
}

bool has_leases(int directory) {
  const UniqueFd file(::openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) return false;
  if (::fcntl(file.get(), F_SETLEASE, F_WRLCK) != 0) return false;
  ::fcntl(file.get(), F_SETLEASE, F_UNLCK);
  return true;
}

}  // namespace braid::vfs
