#include "smb2/persistent/handles_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/unique_fd.h"
#include "crypto/sha256.h"
#include "runtime/identity.h"
#include "vfs/posix/context.h"
#include "wire/fold.h"

namespace braid::smb2 {
namespace {

Result<UniqueFd> open_folder(int parent, const char* name, int more_flags) {
  UniqueFd fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | more_flags));
  if (!fd) return fail_last_os();
  return fd;
}

// Only the server's own user gets into it. EPERM: it was made by somebody else, who may write to
// the folder it is in without us, or others may write to it: what it holds would be believed.
Result<UniqueFd> make_folder(int parent, const char* name) {
  if (::mkdirat(parent, name, 0700) == 0) {
    if (::fsync(parent) != 0) return fail_last_os();
  } else if (errno != EEXIST) {
    return fail_last_os();
  }
  BRAID_TRY(UniqueFd folder, open_folder(parent, name, O_NOFOLLOW));
  struct stat st{};
  if (::fstat(folder.get(), &st) != 0) return fail_last_os();
  if (st.st_uid != server_credentials()->uid || (st.st_mode & (S_IWGRP | S_IWOTH))) {
    return fail_os(EPERM);
  }
  return folder;
}

}  // namespace

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
  struct stat st{};
  if (::fstat(root.get(), &st) != 0) return fail_last_os();
  if (st.st_ino != share.folder.inode) return fail_os(ESTALE);
  BRAID_TRY(const UniqueFd own, make_folder(root.get(), std::string(vfs::kPrivateFolder).c_str()));
  BRAID_TRY(UniqueFd handles, make_folder(own.get(), "handles"));
  return store::open_posix_log_folder(std::move(handles));
}

}  // namespace braid::smb2
