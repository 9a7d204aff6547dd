// Quotas: how much of a file system each user has and may have.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <optional>

#include "base/result.h"

namespace braid::vfs {

// Bytes; none: no limit. Linux keeps limits in units of 1024 bytes and knows none of 0.
struct QuotaLimits {
  std::optional<uint64_t> soft;  // may be exceeded for the grace period
  std::optional<uint64_t> hard;

  friend bool operator==(const QuotaLimits&, const QuotaLimits&) = default;
};

// One user's.
struct Quota {
  uid_t uid = 0;
  uint64_t used = 0;  // bytes
  QuotaLimits limits;
  bool is_grace_over = false;  // beyond the soft limit for too long: nothing more may be written
  // Whether there is anything to tell: files or limits.
  bool exists = false;
};

enum class QuotaState : uint8_t {
  kUnsupported,  // the file system knows no quotas
  kOff,          // it does, but does not count
  kTracked,      // counts, and limits nobody
  kEnforced,
};

// User quotas of the file system that a volume is on, beyond the volume's own folder. They belong
// to the administrator: everything happens with the rights of the process, and who may ask for what
// is the caller's business.
// Owned by the Volume. Thread: any; every call may block.
//
// Errors: Fault::kOs with the errno of quotactl(2). ESRCH while quotas are off, EPERM where the
// process may not, ERANGE for limits the file system cannot keep, EOPNOTSUPP.
class Quotas {
 public:
  virtual ~Quotas() = default;

  // Asked each time, since local programs switch it.
  virtual QuotaState state() = 0;
  // One that does not exist is no error: see Quota::exists.
  virtual Result<Quota> of(uid_t uid) = 0;
  // The first that exists with this uid or a greater one. ENOENT: none.
  virtual Result<Quota> next(uid_t from) = 0;
  // Replaces both limits. uid 0 has none: EINVAL.
  virtual Result<void> set_limits(uid_t uid, const QuotaLimits& limits) = 0;

  // What users without limits of their own are held to. Setting: EOPNOTSUPP where the file system
  // knows no such thing.
  virtual Result<QuotaLimits> default_limits() = 0;
  virtual Result<void> set_default_limits(const QuotaLimits& limits) = 0;

  // Between kTracked and kEnforced. Counting itself is switched by those who mount.
  virtual Result<void> set_enforced(bool enforced) = 0;
};

}  // namespace braid::vfs
