// Share: what a TREE_CONNECT can reach. [MS-SMB2] 3.3.1.6 "Per Share".
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/unix_user.h"
#include "base/guarded.h"
#include "base/result.h"
#include "config/config.h"
#include "smb2/common/time_histogram.h"
#include "vfs/file_locks.h"
#include "vfs/vfs.h"

namespace braid::smb2 {

class Snapshots;
struct PersistentShare;

enum class ShareType : uint8_t { kDisk, kPipe };

// Which directory a path leads to, and through which mount.
struct FolderId {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t mount = 0;  // while anybody holds it no other mount has this number
  friend bool operator==(const FolderId&, const FolderId&) = default;
};

// A share in use: with its folder open. Shared by the TreeConnects, and through them by the opens,
// and gone with the last of them; immutable once made. Thread: any.
// `path` is empty for IPC$.
struct Share : config::ShareRules {
  // The path without symbolic links, as the kernel names it; empty when it is no directory of this
  // machine.
  std::string real_path;
  FolderId folder;
  ShareType type = ShareType::kDisk;
  std::optional<auth::UnixUser> forced_user;  // who uses it acts as this one
  std::optional<gid_t> forced_group;          // who uses it acts with this as the primary group
  std::unique_ptr<vfs::Volume> volume;        // null for IPC$
  // Requests that have waited for its disk for seconds. Meanwhile nothing of it is tried on a
  // reactor: to find out that a file is not in memory may take the disk as well.
  mutable std::atomic<uint32_t> slow_requests = 0;
  // When its recycle bin is looked through again; in seconds of the monotonic clock.
  mutable std::atomic<int64_t> next_sweep = 0;
  // Never null; those of the configured share, which stay when this one is gone.
  std::shared_ptr<ShareCounters> counters = std::make_shared<ShareCounters>();
  // Of PersistentHandles, and no one else's to look into; null when it has no persistent handles.
  // Set before the share is served.
  mutable std::atomic<PersistentShare*> persistent = nullptr;
  std::shared_ptr<Snapshots> snapshots;  // null when the share has no previous versions
};

// A share of the configuration, whether its folder is there or not. The folder is opened when a
// client connects, and each TREE_CONNECT looks where the path leads: to the one that is open, to
// another that took its place, or nowhere. Nothing is held of a share that nobody uses, so that its
// disk can be unmounted; nothing is asked meanwhile.
//
// Owned by the ShareTables that have it. Thread: any.
class ShareEntry {
 public:
  // `locks`: of the other workers; they outlive it.
  ShareEntry(config::Share configured, vfs::FileLocks* locks);
  // A share that is there and stays: IPC$, and those of tests.
  explicit ShareEntry(std::shared_ptr<const Share> ready);

  const std::string& name() const { return configured_.name; }
  const config::Share& configured() const { return configured_; }
  // What of it is asked before it is connected to.
  const config::ShareRules& rules() const {
    return ready_ ? static_cast<const config::ShareRules&>(*ready_) : configured_;
  }
  ShareType type() const { return ready_ ? ready_->type : ShareType::kDisk; }
  const ShareCounters& counters() const { return ready_ ? *ready_->counters : *counters_; }
  bool encrypts_data() const { return ready_ ? ready_->encrypt : configured_.encrypt; }

  // For a TREE_CONNECT. STATUS_BAD_NETWORK_NAME while the folder cannot be had. `account`: whose,
  // where each user has another one; empty: nobody's, who has none. May block.
  Result<std::shared_ptr<const Share>> connect(const std::string& account = {});
  // One that connect() gave, while somebody uses it.
  std::shared_ptr<const Share> in_use() const;
  // Why connect() would fail; empty when it would not. May block.
  std::string absence();

 private:
  struct State {
    // By account, where each user has another folder; else one, of nobody.
    std::map<std::string, std::weak_ptr<const Share>, std::less<>> in_use;
    bool is_absent = false;  // as the log has it
  };

  Result<std::shared_ptr<const Share>> connect_folder(const config::Share& wanted,
                                                      const std::string& owner);
  // Tells the log what is new; `absence` is empty when the share can be used.
  void note(State& state, const std::string& absence) const;

  const config::Share configured_;
  vfs::FileLocks* const locks_ = nullptr;
  const std::shared_ptr<const Share> ready_;
  const std::shared_ptr<ShareCounters> counters_ = std::make_shared<ShareCounters>();
  Guarded<State> state_;
};

// All shares of one configuration, and IPC$. Immutable; a reload makes a new one.
class ShareTable {
 public:
  // A share of `before` that is still to be as it was is taken over, with what it knows of its
  // files. The error is a line for the administrator.
  static std::expected<std::shared_ptr<const ShareTable>, std::string> make(
      const config::Config& config, vfs::FileLocks* locks = nullptr,
      const ShareTable* before = nullptr);
  // From ready-made shares, for tests. Adds IPC$.
  explicit ShareTable(std::vector<std::shared_ptr<const Share>> shares);

  // Without regard to case; null when there is none.
  std::shared_ptr<ShareEntry> entry(std::string_view name) const;
  // Null when there is none, or nobody uses it.
  std::shared_ptr<const Share> find(std::string_view name) const;
  const std::vector<std::shared_ptr<ShareEntry>>& all() const { return entries_; }
  bool lets_guests_in() const { return lets_guests_in_; }  // one of them does

 private:
  explicit ShareTable(std::vector<std::shared_ptr<ShareEntry>> entries);

  std::vector<std::shared_ptr<ShareEntry>> entries_;
  bool lets_guests_in_ = false;
};

}  // namespace braid::smb2
