#include "smb2/shares/share.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "base/unique_fd.h"
#include "config/homes.h"
#include "runtime/identity.h"
#include "smb2/persistent/handles_folder.h"
#include "smb2/shares/share_look.h"
#include "smb2/shares/snapshots.h"
#include "vfs/posix/known_roots.h"
#include "vfs/posix/posix_volume.h"
#include "vfs/posix/system.h"

namespace braid::smb2 {
namespace {

struct Folder {
  UniqueFd fd;  // O_PATH
  FolderId id;
};

// Links in the configured path are the administrator's. What is below the folder of all homes may
// be a user's: no link is followed there, so that nobody's home is another's.
Result<Folder> open_folder(const config::Share& wanted, const std::string& owner) {
  BRAID_CHECK(assume(server_credentials()));
  Folder folder;
  folder.fd.reset(
      ::open(config::served_folder(wanted.path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.fd) return fail_last_os();
  if (config::is_of_homes(wanted.path)) {
    const auto below = config::home_below(wanted.path, owner);
    if (!below) return fail_os(EINVAL);
    BRAID_TRY(folder.fd, vfs::open_beneath(folder.fd.get(), *below, O_PATH | O_DIRECTORY));
  }
  struct statx st{};
  if (::statx(folder.fd.get(), "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &st) != 0) {
    return fail_last_os();
  }
  folder.id = {(uint64_t{st.stx_dev_major} << 32) | st.stx_dev_minor, st.stx_ino, st.stx_mnt_id};
  return folder;
}

// "a/b" below the share's root. An error for what is no such thing.
Result<vfs::Path> snapshots_folder(std::string name) {
  std::ranges::replace(name, '/', '\\');
  BRAID_TRY(auto parsed, vfs::parse_path(name, vfs::NameRules::kPosix));
  return std::move(parsed.path);
}

// How long clients are given to answer a break, and the kernel must not give them less.
constexpr int kBreakSeconds = 36;

// What local_access = "strict" cannot do here.
void tell_limits_of_leases(const Share& share) {
  if (!share.volume->features().leases) {
    log::warn(
        "share '{}': its file system has no leases, so with local_access = \"strict\" clients "
        "cache nothing",
        share.name);
    return;
  }
  int seconds = 0;
  std::ifstream("/proc/sys/fs/lease-break-time") >> seconds;
  if (seconds > 0 && seconds < kBreakSeconds) {
    log::warn(
        "share '{}': after {} s the kernel lets local programs in whether or not clients "
        "have written back what they cache; set fs.lease-break-time to {} or more",
        share.name, seconds, kBreakSeconds);
  }
}

Result<std::shared_ptr<const Share>> open_share(const config::Share& wanted, Folder folder,
                                                const std::string& owner, ForcedOwner forced,
                                                vfs::FileLocks* locks,
                                                std::shared_ptr<ShareCounters> counters) {
  auto share = std::make_shared<Share>();
  share->counters = std::move(counters);
  static_cast<config::ShareRules&>(*share) = wanted;
  if (!owner.empty()) {
    const std::string root = config::served_folder(wanted.path);
    share->path = root + (root.ends_with('/') ? "" : "/") +
                  config::home_below(wanted.path, owner).value_or("");
  }
  share->folder = folder.id;
  share->forced_user = std::move(forced.user);
  share->forced_group = forced.group;
  std::error_code error;
  share->real_path = std::filesystem::canonical(share->path, error).string();
  const uint64_t backups_max_bytes = uint64_t{wanted.time_machine_gib.value_or(0)} << 30;
  BRAID_TRY(share->volume,
            vfs::open_posix_volume(
                std::move(folder.fd),
                {.hidden_names = wanted.hidden_names,
                 .veto_names = wanted.veto_files,
                 .streams = wanted.streams,
                 .composes_names = wanted.name_normalization == config::NameNormalization::kAny,
                 .backups_max_bytes = backups_max_bytes,
                 .follow_links = wanted.follow_symlinks == config::FollowSymlinks::kInside,
                 .device_name = wanted.file_system,
                 .locks = locks}));
  if (wanted.local_access == config::LocalAccess::kStrict) tell_limits_of_leases(*share);
  if (wanted.local_locks && !share->volume->features().leases) {
    log::warn(
        "share '{}': its file system is none of this machine's own with leases, so local_locks = "
        "true is of no effect: local programs and clients do not meet each other's locks",
        share->name);
  }
  if (!wanted.snapshots.empty()) {
    BRAID_TRY(auto snapshots, snapshots_folder(wanted.snapshots));
    share->snapshots = std::make_shared<Snapshots>(*share, std::move(snapshots));
  }
  if (!share->continuous_availability) BRAID_CHECK(void_promises(*share));
  return share;
}

bool is_forced(const Share& share, const ForcedOwner& wanted) {
  if (share.forced_group != wanted.group) return false;
  if (share.forced_user.has_value() != wanted.user.has_value()) return false;
  return !wanted.user || (share.forced_user->uid == wanted.user->uid &&
                          share.forced_user->gid == wanted.user->gid &&
                          share.forced_user->groups == wanted.user->groups);
}

std::shared_ptr<const Share> make_ipc() {
  auto ipc = std::make_shared<Share>();
  ipc->name = "IPC$";
  ipc->comment = "IPC Service";
  ipc->type = ShareType::kPipe;
  return ipc;
}

}  // namespace

ShareEntry::ShareEntry(config::Share configured, vfs::FileLocks* locks)
    : configured_(std::move(configured)), locks_(locks) {}

ShareEntry::ShareEntry(std::shared_ptr<const Share> ready)
    : configured_({.name = ready->name, .path = ready->path}), ready_(std::move(ready)) {}

std::shared_ptr<const Share> ShareEntry::in_use() const {
  if (ready_) return ready_;
  auto state = state_.lock();
  for (const auto& [owner, used] : state->in_use) {
    if (auto share = used.lock()) return share;
  }
  return nullptr;
}

void ShareEntry::note(State& state, const std::string& absence) const {
  const bool is_absent = !absence.empty();
  if (std::exchange(state.is_absent, is_absent) == is_absent) return;
  if (absence == kOutOfReach) {
    log::error("share '{}' is absent: {}: {}", name(), configured_.path, log::Whole{absence});
  } else if (is_absent) {
    log::warn("share '{}' is absent: {}: {}; it is back when {} is", name(), configured_.path,
              absence, absence.starts_with("force_") ? "that" : "its folder");
  } else {
    log::info("share '{}' is there again", name());
  }
}

Result<std::shared_ptr<const Share>> ShareEntry::connect(const std::string& account) {
  if (ready_) return ready_;
  if (!config::is_of_homes(configured_.path)) return connect_folder(configured_, {});
  const auto below = config::home_below(configured_.path, account);
  if (!below) {
    log::info("share '{}': '{}' is no name of a folder, so there is none at {}", name(), account,
              configured_.path);
    return fail(NtStatus::kBadNetworkName);
  }
  return connect_folder(configured_, account);
}

Result<std::shared_ptr<const Share>> ShareEntry::connect_folder(const config::Share& wanted,
                                                                const std::string& owner) {
  const bool is_home = !owner.empty();
  auto folder = open_folder(wanted, owner);
  // Who has none is refused, and the share is there all the same.
  if (is_home && !folder) {
    log::info("share '{}': '{}' has no folder at {}: {}", name(), owner, wanted.path,
              folder.error().message());
    return fail(NtStatus::kBadNetworkName);
  }
  if (folder && is_out_of_reach(folder->fd.get())) {
    note(*state_.lock(), std::string(kOutOfReach));
    return fail(NtStatus::kBadNetworkName);
  }
  const auto forced = forced_owner(configured_);
  if (!forced) folder = fail(forced.error());
  if (folder) {
    auto state = state_.lock();
    const auto used = state->in_use.find(owner);
    if (auto share = used == state->in_use.end() ? nullptr : used->second.lock();
        share && share->folder == folder->id && is_forced(*share, *forced)) {
      note(*state, {});
      return share;
    }
  }
  // Not under the lock: it waits for a disk. Who comes second throws away what it opened.
  const auto share = folder
                         ? open_share(wanted, *std::move(folder), owner, *forced, locks_, counters_)
                         : Result<std::shared_ptr<const Share>>(fail(folder.error()));
  auto state = state_.lock();
  note(*state, share ? std::string() : why_absent(configured_, share.error()));
  if (!share) return fail(NtStatus::kBadNetworkName);
  std::erase_if(state->in_use, [](const auto& each) { return each.second.expired(); });
  auto& place = state->in_use[owner];
  if (auto other = place.lock()) {
    if (other->folder == (*share)->folder && is_forced(*other, *forced)) return other;
    if (other->folder == (*share)->folder) {
      log::info(
          "share '{}': force_user or force_group is another one now; who is connected keeps the "
          "one there was",
          name());
    } else {
      log::info("share '{}': another folder is at {} now; who is connected keeps the one there was",
                name(), configured_.path);
    }
  }
  place = *share;
  return *share;
}

std::string ShareEntry::absence() {
  if (ready_) return {};
  const std::string why = absence_of(configured_);
  note(*state_.lock(), why);
  return why;
}

std::expected<std::shared_ptr<const ShareTable>, std::string> ShareTable::make(
    const config::Config& config, vfs::FileLocks* locks, const ShareTable* before) {
  std::vector<std::shared_ptr<ShareEntry>> entries;
  for (const config::Share& wanted : config.shares) {
    auto kept = before ? before->entry(wanted.name) : nullptr;
    if (kept && kept->configured() == wanted) {
      entries.push_back(std::move(kept));
      continue;
    }
    if (!wanted.snapshots.empty() && !snapshots_folder(wanted.snapshots)) {
      return std::unexpected(
          fmt::format("share '{}': '{}' is no folder", wanted.name, wanted.snapshots));
    }
    if (wanted.guest) {
      log::info("share '{}' lets guests in: without a password, and unsigned", wanted.name);
    }
    entries.push_back(std::make_shared<ShareEntry>(wanted, locks));
  }
  std::vector<std::string> roots;
  for (const config::Share& wanted : config.shares) {
    if (!config::is_of_homes(wanted.path)) roots.push_back(wanted.path);
  }
  vfs::set_known_roots(roots);
  return std::shared_ptr<const ShareTable>(new ShareTable(std::move(entries)));
}

ShareTable::ShareTable(std::vector<std::shared_ptr<const Share>> shares) {
  for (auto& share : shares) {
    lets_guests_in_ = lets_guests_in_ || share->guest;
    entries_.push_back(std::make_shared<ShareEntry>(std::move(share)));
  }
  entries_.push_back(std::make_shared<ShareEntry>(make_ipc()));
}

ShareTable::ShareTable(std::vector<std::shared_ptr<ShareEntry>> entries)
    : entries_(std::move(entries)),
      lets_guests_in_(
          std::ranges::any_of(entries_, [](const auto& entry) { return entry->rules().guest; })) {
  entries_.push_back(std::make_shared<ShareEntry>(make_ipc()));
}

std::shared_ptr<ShareEntry> ShareTable::entry(std::string_view name) const {
  for (const auto& entry : entries_) {
    if (vfs::equal_folded(entry->name(), name)) return entry;
  }
  return nullptr;
}

std::shared_ptr<const Share> ShareTable::find(std::string_view name) const {
  const auto found = entry(name);
  return found ? found->in_use() : nullptr;
}

}  // namespace braid::smb2
