#include "smb2/share.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "smb2/snapshots.h"
#include "vfs/posix/posix_volume.h"

namespace braid::smb2 {

std::expected<std::shared_ptr<const ShareTable>, std::string> ShareTable::open(
    const config::Config& config, vfs::FileLocks* locks, const ShareTable* before) {
  std::vector<std::shared_ptr<const Share>> shares;
  for (const config::Share& wanted : config.shares) {
    if (auto kept = before ? before->find(wanted.name) : nullptr;
        kept && kept->configured == wanted) {
      shares.push_back(std::move(kept));
      continue;
    }
    auto volume = vfs::open_posix_volume(
        wanted.path,
        {.hidden_names = wanted.hidden_names, .streams = wanted.streams, .locks = locks});
    if (!volume) {
      return std::unexpected(fmt::format("share '{}': cannot open {}: {}", wanted.name, wanted.path,
                                         volume.error().message()));
    }
    auto share = std::make_shared<Share>();
    share->name = wanted.name;
    share->comment = wanted.comment;
    share->path = wanted.path;
    share->configured = wanted;
    share->read_only = wanted.read_only;
    share->encrypt_data = wanted.encrypt;
    share->change_notify = wanted.change_notify;
    share->hide_unreadable = wanted.hide_unreadable;
    share->compat = wanted.compat;
    std::error_code error;
    share->real_path = std::filesystem::canonical(wanted.path, error).string();
    share->volume = std::move(*volume);
    if (!wanted.snapshots.empty()) {
      std::string name = wanted.snapshots;
      std::ranges::replace(name, '/', '\\');
      auto folder = vfs::parse_path(name, vfs::NameRules::kPosix);
      if (!folder) {
        return std::unexpected(
            fmt::format("share '{}': '{}' is no folder", wanted.name, wanted.snapshots));
      }
      share->snapshots = std::make_shared<Snapshots>(*share, std::move(folder->path));
    }
    shares.push_back(std::move(share));
  }
  return std::make_shared<const ShareTable>(std::move(shares));
}

ShareTable::ShareTable(std::vector<std::shared_ptr<const Share>> shares)
    : shares_(std::move(shares)) {
  auto ipc = std::make_shared<Share>();
  ipc->name = "IPC$";
  ipc->comment = "IPC Service";
  ipc->type = ShareType::kPipe;
  shares_.push_back(std::move(ipc));
}

std::shared_ptr<const Share> ShareTable::find(std::string_view name) const {
  for (const auto& share : shares_) {
    if (vfs::equal_folded(share->name, name)) return share;
  }
  return nullptr;
}

}  // namespace braid::smb2
