#include "vfs/posix/backup_size.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/identity.h"
#include "vfs/posix/system.h"

namespace braid::vfs {
namespace {

constexpr auto kFresh = std::chrono::seconds(15);
// A count that takes long, on a slow disk, is made less often: a twentieth of a thread's time.
constexpr int kShare = 20;
constexpr size_t kListMax = 64 << 10;      // bytes of an Info.plist
constexpr uint64_t kBandMax = 1ULL << 30;  // Macs make bands of 8 to 256 MiB

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

Result<Folder> folder_below(int root, const std::string& path) {
  BRAID_TRY(UniqueFd fd, open_beneath(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  Folder folder(::fdopendir(fd.get()));
  if (!folder) return fail_last_os();
  (void)fd.release();
  return folder;
}

bool is_bundle(std::string_view name) {
  return name.ends_with(".sparsebundle") || name.ends_with(".backupbundle");
}

// The number in <key>band-size</key> <integer>8388608</integer>; 0 where there is none.
uint64_t band_size_in(std::string_view list) {
  constexpr std::string_view kKey = "<key>band-size</key>";
  constexpr std::string_view kNumber = "<integer>";
  size_t at = list.find(kKey);
  if (at == list.npos) return 0;
  at = list.find_first_not_of(" \t\r\n", at + kKey.size());
  if (at == list.npos || !list.substr(at).starts_with(kNumber)) return 0;
  list.remove_prefix(at + kNumber.size());
  uint64_t size = 0;
  const auto [end, error] = std::from_chars(list.data(), list.data() + list.size(), size);
  const bool is_number = error == std::errc{} && end != list.data() + list.size() && *end == '<';
  return is_number && size <= kBandMax ? size : 0;
}

uint64_t band_size_of(int root, const std::string& bundle) {
  const auto fd = open_beneath(root, bundle + "/Info.plist", O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return 0;
  const auto st = stat_of(fd->get());
  if (!st || !S_ISREG(st->stx_mode)) return 0;
  std::string list(kListMax, '\0');
  const ssize_t size = ::pread(fd->get(), list.data(), list.size(), 0);
  list.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return band_size_in(list);
}

}  // namespace

Result<uint64_t> backup_bytes(int root, uint64_t enough, const BackupBounds& bounds) {
  BRAID_TRY(const Folder all, folder_below(root, ""));
  uint64_t bytes = 0;
  uint64_t names = 0;
  uint64_t bundles = 0;
  while (const dirent* entry = ::readdir(all.get())) {
    if (++names > bounds.names) return bytes;
    const std::string bundle = entry->d_name;
    if (!is_bundle(bundle)) continue;
    if (++bundles > bounds.bundles) return bytes;
    const uint64_t band = band_size_of(root, bundle);
    if (band == 0) continue;
    const auto bands = folder_below(root, bundle + "/bands");
    if (!bands) continue;
    while (const dirent* each = ::readdir(bands->get())) {
      if (each->d_name[0] == '.') continue;
      if (++names > bounds.names) return bytes;
      bytes += band;
      if (bytes >= enough) return enough;
    }
  }
  return bytes;
}

Result<void> BackupLimit::apply(int root, Space& space) const {
  using Clock = std::chrono::steady_clock;
  const auto begun = Clock::now();
  uint64_t used = 0;
  bool counts = false;
  {
    auto known = known_.lock();
    used = known->bytes;
    counts = !known->is_counted && begun >= known->due;
    if (counts) known->is_counted = true;
  }
  if (counts) {
    const ScopedPrivilege privilege;
    const auto found = !privilege.status() ? Result<uint64_t>(fail(privilege.status().error()))
                       : count_            ? count_(root, bytes_max_)
                                           : backup_bytes(root, bytes_max_);
    const auto ended = Clock::now();
    auto known = known_.lock();
    known->is_counted = false;
    if (!found) return fail(found.error());
    known->due = ended + std::max<Clock::duration>(kFresh, kShare * (ended - begun));
    known->bytes = *found;
    used = *found;
  }
  const uint64_t blocks = bytes_max_ / space.block_size;
  const uint64_t left = (bytes_max_ - std::min(used, bytes_max_)) / space.block_size;
  space.total_blocks = std::min(space.total_blocks, blocks);
  space.free_blocks = std::min(space.free_blocks, left);
  space.available_blocks = std::min(space.available_blocks, left);
  return {};
}

}  // namespace braid::vfs
