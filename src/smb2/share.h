// Share: what a TREE_CONNECT can reach. [MS-SMB2] 3.3.1.6 "Per Share".
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "vfs/file_locks.h"
#include "vfs/vfs.h"

namespace braid::smb2 {

class Snapshots;

enum class ShareType : uint8_t { kDisk, kPipe };

// Shared by the ShareTable and the TreeConnects; immutable once made. Thread: any.
struct Share {
  std::string name;
  std::string comment;
  std::string path;  // of the directory, for srvsvc; empty for IPC$
  // The same without symbolic links, as the kernel names it; empty when it is no directory of this
  // machine.
  std::string real_path;
  config::Share configured;  // what it was made from
  ShareType type = ShareType::kDisk;
  bool read_only = false;
  bool encrypt_data = false;
  bool change_notify = true;     // CHANGE_NOTIFY is answered
  bool hide_unreadable = false;  // listings leave out what the user may not read
  config::Compat compat = config::Compat::kSpec;
  std::unique_ptr<vfs::Volume> volume;   // null for IPC$
  // Requests that have waited for its disk for seconds. Meanwhile nothing of it is tried on a
  // reactor: to find out that a file is not in memory may take the disk as well.
  mutable std::atomic<uint32_t> slow_requests = 0;
  std::shared_ptr<Snapshots> snapshots;  // null when the share has no previous versions
};

// All shares of one configuration, and IPC$. Immutable; a reload makes a new one.
class ShareTable {
 public:
  // Opens the root directory of every share. `locks`: of the other workers; they outlive the
  // volumes. A share of `before` that is still to be as it was is taken over, with what it knows of
  // its files. The error is a line for the administrator.
  static std::expected<std::shared_ptr<const ShareTable>, std::string> open(
      const config::Config& config, vfs::FileLocks* locks = nullptr,
      const ShareTable* before = nullptr);
  // From ready-made shares, for tests. Adds IPC$.
  explicit ShareTable(std::vector<std::shared_ptr<const Share>> shares);

  // Without regard to case; null when there is none.
  std::shared_ptr<const Share> find(std::string_view name) const;
  const std::vector<std::shared_ptr<const Share>>& all() const { return shares_; }

 private:
  std::vector<std::shared_ptr<const Share>> shares_;
};

}  // namespace braid::smb2
