// Whose rights a thread has on the file system.
#pragma once

#include <cstdint>
#include <optional>

#include "base/credentials.h"
#include "base/result.h"

namespace braid {

// Those the process was started with.
const Credentials& server_credentials();

// True when the process can act as other users: it was started as root.
bool can_switch_identity();

// Makes the calling thread, and no other, act on the file system as `who`. Costs system calls only
// when the thread last took another identity. Does nothing when the process is not root: every
// request then acts as the server's own user. A failure leaves the thread with an unknown identity;
// the caller must not touch the file system, and the next call starts afresh.
Result<void> assume(const Credentials& who);

// The same where the thread may be a reactor: for a system call that never waits. The others look
// that it is not, so that nothing that may wait for a disk gets onto a reactor unnoticed.
Result<void> assume_on_reactor(const Credentials& who);

// Until the end of the scope they do not look: the thread tries there what may need no disk. What
// does is EAGAIN (at_once.h), and whoever began the scope does it anew on the pool. REQUIRES: no
// suspension within.
class ScopedAtOnce {
 public:
  ScopedAtOnce();
  ~ScopedAtOnce();
  ScopedAtOnce(const ScopedAtOnce&) = delete;
  ScopedAtOnce& operator=(const ScopedAtOnce&) = delete;
};

// What they do when it is one, which is a mistake of ours. A test is to end there. Clients of a
// worker are to pay for it with a wait while the disk works, and not with the end of their worker:
// there it is an error in the log and goes on.
enum class OnReactor : uint8_t { kAborts, kIsLogged };
// Of the process; kAborts before the first call. Thread: any.
void set_file_calls(OnReactor on_reactor);

// What the server does in a ScopedPrivilege. What it makes belongs to its group, too; where it
// makes no files, half as many system calls will do.
enum class Privilege : uint8_t { kAll, kNothingNew };

// True where assume() and ScopedPrivilege would change nothing for a call that needs the server's
// rights.
bool acts_as_server();

// Acts as the server until the end of the scope, then as before: for metadata that belongs to the
// server and not to the user (DOS attributes, security descriptors, side files).
//
//   ScopedPrivilege privilege;
//   BRAID_CHECK(privilege.status());
class ScopedPrivilege {
 public:
  explicit ScopedPrivilege(Privilege privilege = Privilege::kAll);
  ~ScopedPrivilege();
  ScopedPrivilege(const ScopedPrivilege&) = delete;
  ScopedPrivilege& operator=(const ScopedPrivilege&) = delete;

  const Result<void>& status() const { return status_; }

 private:
  std::optional<uint8_t> before_;  // what the scope outside has put; none: nothing to change back
  Result<void> status_;
};

// Acts as `who` until the end of the scope, then as before, the server too: for what the server
// does on the user's behalf and the kernel shall refuse as if the user did it, like taking room.
class ScopedUser {
 public:
  explicit ScopedUser(const Credentials& who);
  // As the user whom the thread acted as before a ScopedPrivilege.
  ScopedUser();
  ~ScopedUser();
  ScopedUser(const ScopedUser&) = delete;
  ScopedUser& operator=(const ScopedUser&) = delete;

  const Result<void>& status() const { return status_; }

 private:
  const Credentials before_;
  const uint8_t put_before_;
  const Result<void> status_;
};

}  // namespace braid
