// Quotas of the kernel: quotactl_fd(2).
#pragma once

#include "vfs/quotas.h"

namespace braid::vfs {

// ext4, XFS and whatever else answers the kernel's generic commands; without quotactl_fd (Linux
// 5.14) as a file system that knows no quotas.
class PosixQuotas final : public Quotas {
 public:
  // `root`: any descriptor on the file system, O_PATH too; it must stay open. `magic`: as fstatfs()
  // says. XFS alone keeps default limits, in the place of uid 0's, whom it holds to none.
  PosixQuotas(int root, long magic);

  QuotaState state() override;
  Result<Quota> of(uid_t uid) override;
  Result<Quota> next(uid_t from) override;
  Result<void> set_limits(uid_t uid, const QuotaLimits& limits) override;
  Result<QuotaLimits> default_limits() override;
  Result<void> set_default_limits(const QuotaLimits& limits) override;
  Result<void> set_enforced(bool enforced) override;

 private:
  // The errno, 0 for success. The kernel asks for CAP_SYS_ADMIN, or that the effective uid, which
  // is the process's own on every thread, is the one asked about: no identity is taken.
  int control(unsigned command, uid_t id, void* data) const;
  Result<void> write_limits(uid_t uid, const QuotaLimits& limits) const;

  const int root_;
  const bool is_xfs_;
  const bool has_room_;  // the format has a place for them, whatever the kernel was built with
};

}  // namespace braid::vfs
