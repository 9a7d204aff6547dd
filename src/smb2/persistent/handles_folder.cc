#include "smb2/persistent/handles_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "crypto/sha256.h"
#include "runtime/identity.h"
#include "smb2/persistent/persistent_open.h"
#include "store/log_reader.h"
#include "vfs/posix/context.h"
#include "wire/fold.h"

namespace braid::smb2 {
namespace {

Result<UniqueFd> open_folder(int parent, const char* name, int more_flags) {
  UniqueFd fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | more_flags));
  if (!fd) return fail_last_os();
  return fd;
}

// Of the server alone. EPERM: it was made by somebody else, who may write to the folder it is in
// without us, or others may write to it: what it holds would be believed.
Result<UniqueFd> open_own_folder(int parent, const char* name) {
  BRAID_TRY(UniqueFd folder, open_folder(parent, name, O_NOFOLLOW));
  struct stat st{};
  if (::fstat(folder.get(), &st) != 0) return fail_last_os();
  if (st.st_uid != server_credentials()->uid || (st.st_mode & (S_IWGRP | S_IWOTH))) {
    return fail_os(EPERM);
  }
  return folder;
}

// Only the server's own user gets into it.
Result<UniqueFd> make_folder(int parent, const char* name) {
  if (::mkdirat(parent, name, 0700) == 0) {
    if (::fsync(parent) != 0) return fail_last_os();
  } else if (errno != EEXIST) {
    return fail_last_os();
  }
  return open_own_folder(parent, name);
}

// Whose logs this process writes, as long as it lives.
class FoldersWithLogs {
 public:
  void add(const FolderId& folder) { folders_.lock()->push_back(folder); }
  bool has(const FolderId& folder) {
    auto folders = folders_.lock();
    return std::ranges::any_of(*folders, [&](const FolderId& each) {
      return each.device == folder.device && each.inode == folder.inode;
    });
  }

 private:
  Guarded<std::vector<FolderId>> folders_;
};
FoldersWithLogs& folders_with_logs() {
  static FoldersWithLogs folders;
  return folders;
}

// Those that a log says are open, of whichever share it is.
size_t opens_in(store::LogFolder& folder, const std::string& name) {
  store::RecoveredLog log = store::recover_log(folder, name, {});
  if (log.condition == store::LogCondition::kOtherShare) {
    log = store::recover_log(folder, name, log.header.owner.share);
  }
  return static_cast<size_t>(std::ranges::count_if(log.records, [](const auto& record) {
    return kind_of_record(as_bytes(record.first)) == RecordKind::kOpen;
  }));
}

}  // namespace

Result<void> void_promises(const Share& share) {
  if (folders_with_logs().has(share.folder) || !assume(server_credentials())) return {};
  const auto root = open_folder(AT_FDCWD, share.real_path.c_str(), 0);
  if (!root) return {};
  const auto own = open_own_folder(root->get(), std::string(vfs::kPrivateFolder).c_str());
  if (!own) return {};
  auto handles = open_own_folder(own->get(), "handles");
  if (!handles) return {};
  const auto folder = store::open_posix_log_folder(std::move(*handles));
  const auto listing = store::list_logs(*folder);
  if (!listing) return {};
  size_t opens = 0;
  for (const std::string& name : listing->logs) {
    const auto claim = folder->claim(name);
    if (claim && !*claim) {
      log::error(
          "share '{}': another server serves {} with persistent handles now ({}); end that one, or "
          "take the share out of one of the two configurations",
          share.name, share.real_path, name);
      return fail_os(EBUSY);
    }
    opens += opens_in(*folder, name);
    if (const auto removed = store::remove_log(*folder, name); !removed) {
      log::error(
          "share '{}': {}/.braid/handles/{}: {}; remove it before the share gets "
          "continuous_availability again: what it has promised is not kept",
          share.name, share.real_path, name, removed.error().message());
    }
  }
  if (opens == 0) return {};
  log::warn(
      "share '{}': what was promised of {} open files ({}/.braid/handles) is void, as it is served "
      "without continuous_availability now; their programs have to open them anew",
      share.name, opens, share.real_path);
  return {};
}

// The folder has one log for each server and worker, so the name of the share does.
store::ShareId share_id(const Share& share) {
  const std::string name = wire::fold(share.name);
  const crypto::Digest32 digest = crypto::sha256(as_bytes(name));
  store::ShareId id;
  std::memcpy(id.bytes.data(), digest.data(), id.bytes.size());
  return id;
}

Result<std::unique_ptr<store::LogFolder>> open_handles_folder(const Share& share) {
  BRAID_CHECK(assume(server_credentials()));
  BRAID_TRY(const UniqueFd root, open_folder(AT_FDCWD, share.real_path.c_str(), 0));
  struct statx st{};
  constexpr unsigned kMask = STATX_INO | STATX_BTIME;
  if (::statx(root.get(), "", AT_EMPTY_PATH, kMask, &st) != 0) return fail_last_os();
  if (st.stx_ino != share.folder.inode) return fail_os(ESTALE);
  if (!(st.stx_mask & STATX_BTIME)) return fail_os(EOPNOTSUPP);
  BRAID_TRY(const UniqueFd own, make_folder(root.get(), std::string(vfs::kPrivateFolder).c_str()));
  BRAID_TRY(UniqueFd handles, make_folder(own.get(), "handles"));
  if (!folders_with_logs().has(share.folder)) folders_with_logs().add(share.folder);
  return store::open_posix_log_folder(std::move(handles));
}

}  // namespace braid::smb2
