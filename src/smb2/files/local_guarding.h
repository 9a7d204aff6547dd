// The shares with local_access = "strict": what clients cache there, and who is held off for it.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "filestate/file_table.h"
#include "vfs/file.h"
#include "vfs/local_guard.h"
#include "vfs/posix/linux_leases.h"

namespace braid::smb2 {

// The LocalGuard of a worker, with what it asks: FileTable above and the kernel below. Owned by
// FileServices. Thread: any.
class LocalGuarding final : public vfs::GuardedCaching {
 public:
  LocalGuarding(filestate::FileTable& table, const Clock& clock, size_t files_max)
      : table_(table), guard_(leases_, *this, clock, files_max) {
    leases_.serve(guard_);
  }
  ~LocalGuarding() override { stop(); }

  // What of `wanted` the kernel guards from now on, for a client of `account`; see
  // LocalGuard::guard().
  filestate::Caching guard(const FileKey& key, const vfs::File& file, filestate::Caching wanted,
                           filestate::Account account);
  // Of what a process before this one has guarded: LocalGuard::inherit().
  filestate::Caching inherit(const FileKey& key, const vfs::File& file, filestate::Caching wanted,
                             filestate::Account account);
  std::shared_ptr<const void> opening(const FileKey& file) { return guard_.opening(file); }
  // An open of it was closed.
  void closed(const FileKey& file) { guard_.look(file); }
  // Nothing is taken from anybody any more, and nothing guarded.
  void stop() { leases_.stop(); }

  vfs::GuardLevel held(const FileKey& file) override;
  std::vector<vfs::GuardedUser> holders(const FileKey& file, vfs::GuardLevel level) override;
  void take_down(const FileKey& file, vfs::GuardLevel level) override;

 private:
  filestate::FileTable& table_;
  vfs::LinuxLeases leases_;
  vfs::LocalGuard guard_;
};

}  // namespace braid::smb2
