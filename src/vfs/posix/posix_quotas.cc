#include "vfs/posix/posix_quotas.h"

#include <linux/dqblk_xfs.h>
#include <linux/magic.h>
#include <linux/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

namespace braid::vfs {
namespace {

constexpr uint64_t kUnit = QIF_DQBLKSIZE;

std::optional<uint64_t> limit_of(uint64_t units) {
  if (units == 0) return std::nullopt;
  return units > UINT64_MAX / kUnit ? UINT64_MAX : units * kUnit;
}

// No limit is 0; one of 0 bytes becomes the smallest there is.
uint64_t units_of(const std::optional<uint64_t>& limit) {
  if (!limit) return 0;
  if (*limit == 0) return 1;
  return *limit / kUnit + (*limit % kUnit != 0);
}

// Of if_dqblk and if_nextdqblk.
template <class Block>
Quota quota_of(const Block& block, uid_t uid) {
  Quota quota;
  quota.uid = uid;
  quota.used = block.dqb_curspace;
  quota.exists = block.dqb_curspace != 0 || block.dqb_curinodes != 0;
  if (uid == 0) return quota;
  quota.limits = {limit_of(block.dqb_bsoftlimit), limit_of(block.dqb_bhardlimit)};
  quota.exists |= quota.limits != QuotaLimits{};
  quota.is_grace_over = quota.limits.soft && quota.used > *quota.limits.soft &&
                        block.dqb_btime != 0 &&
                        block.dqb_btime <= static_cast<uint64_t>(std::time(nullptr));
  return quota;
}

}  // namespace

PosixQuotas::PosixQuotas(int root, long magic)
    : root_(root),
      is_xfs_(magic == XFS_SUPER_MAGIC),
      has_room_(is_xfs_ || magic == EXT4_SUPER_MAGIC) {}

int PosixQuotas::control(unsigned command, uid_t id, void* data) const {
  const unsigned user_command = QCMD(command, static_cast<unsigned>(USRQUOTA));
  return ::syscall(SYS_quotactl_fd, root_, user_command, id, data) == 0 ? 0 : errno;
}

QuotaState PosixQuotas::state() {
  fs_quota_stat status{};
  if (control(Q_XGETQSTAT, 0, &status) == 0) {
    if (status.qs_flags & FS_QUOTA_UDQ_ENFD) return QuotaState::kEnforced;
    if (status.qs_flags & FS_QUOTA_UDQ_ACCT) return QuotaState::kTracked;
    return QuotaState::kOff;  // of groups only
  }
  // The same errno for quotas that are off and for a file system without; this command tells.
  if_dqinfo info{};
  const int error = control(Q_GETINFO, 0, &info);
  if (error == 0) return QuotaState::kTracked;
  return error == ESRCH || has_room_ ? QuotaState::kOff : QuotaState::kUnsupported;
}

Result<Quota> PosixQuotas::of(uid_t uid) {
  if_dqblk block{};
  const int error = control(Q_GETQUOTA, uid, &block);
  if (error == ENOENT) return Quota{.uid = uid};
  if (error != 0) return fail_os(error);
  return quota_of(block, uid);
}

Result<Quota> PosixQuotas::next(uid_t from) {
  for (;;) {
    if_nextdqblk block{};
    const int error = control(Q_GETNEXTQUOTA, from, &block);
    // ESRCH also stands for quotas that are off.
    if (error == ESRCH && state() >= QuotaState::kTracked) return fail_os(ENOENT);
    if (error != 0) return fail_os(error == ENOSYS ? EOPNOTSUPP : error);
    const Quota quota = quota_of(block, block.dqb_id);
    if (quota.exists) return quota;
    if (block.dqb_id == UINT32_MAX) return fail_os(ENOENT);
    from = block.dqb_id + 1;
  }
}

Result<void> PosixQuotas::write_limits(uid_t uid, const QuotaLimits& limits) const {
  if_dqblk block{};
  block.dqb_bsoftlimit = units_of(limits.soft);
  block.dqb_bhardlimit = units_of(limits.hard);
  block.dqb_valid = QIF_BLIMITS;
  const int error = control(Q_SETQUOTA, uid, &block);
  if (error != 0) return fail_os(error == ENOSYS ? EOPNOTSUPP : error);
  return {};
}

Result<void> PosixQuotas::set_limits(uid_t uid, const QuotaLimits& limits) {
  if (uid == 0) return fail_os(EINVAL);
  return write_limits(uid, limits);
}

Result<QuotaLimits> PosixQuotas::default_limits() {
  if (!is_xfs_) return QuotaLimits{};
  if_dqblk block{};
  const int error = control(Q_GETQUOTA, 0, &block);
  if (error == ENOENT) return QuotaLimits{};
  if (error != 0) return fail_os(error);
  return QuotaLimits{limit_of(block.dqb_bsoftlimit), limit_of(block.dqb_bhardlimit)};
}

Result<void> PosixQuotas::set_default_limits(const QuotaLimits& limits) {
  if (!is_xfs_) return fail_os(EOPNOTSUPP);
  return write_limits(0, limits);
}

Result<void> PosixQuotas::set_enforced(bool enforced) {
  uint32_t flags = FS_QUOTA_UDQ_ENFD;
  const int error = control(enforced ? Q_XQUOTAON : Q_XQUOTAOFF, 0, &flags);
  // It is as it should be: ext4 says EBUSY and XFS EEXIST.
  if (error == 0 || error == EEXIST || (enforced && error == EBUSY)) return {};
  return fail_os(error == ENOSYS ? EOPNOTSUPP : error);
}

}  // namespace braid::vfs
