#include "smb2/shares/snapshots.h"

#include <charconv>
#include <chrono>
#include <ranges>

#include "runtime/identity.h"

namespace braid::smb2 {
namespace {

constexpr std::string_view kTokenPattern = "@GMT-dddd.dd.dd-dd.dd.dd";
static_assert(kTokenPattern.size() == kSnapshotTokenSize);
constexpr size_t kEntriesAtOnce = 256;

constexpr vfs::LookupOptions kAsOnDisk{.rules = vfs::NameRules::kPosix};

// REQUIRES digits only.
int number(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

int64_t seconds_of(FileTime time) { return to_timespec(time).tv_sec; }

}  // namespace

std::optional<int64_t> parse_snapshot_token(std::string_view text) {
  if (text.size() != kSnapshotTokenSize) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool fits =
        kTokenPattern[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == kTokenPattern[i];
    if (!fits) return std::nullopt;
  }
  const std::chrono::year_month_day day{
      std::chrono::year(number(text.substr(5, 4))),
      std::chrono::month(static_cast<unsigned>(number(text.substr(10, 2)))),
      std::chrono::day(static_cast<unsigned>(number(text.substr(13, 2))))};
  const int hour = number(text.substr(16, 2));
  const int minute = number(text.substr(19, 2));
  const int second = number(text.substr(22, 2));
  if (!day.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  const auto days = std::chrono::sys_days(day).time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(days).count() +
         ((hour * int64_t{60}) + minute) * 60 + second;
}

std::string_view find_snapshot_token(std::string_view name) {
  for (size_t at = name.find('@'); at != name.npos; at = name.find('@', at + 1)) {
    const std::string_view token = name.substr(at, kSnapshotTokenSize);
    if (parse_snapshot_token(token)) return token;
  }
  return {};
}

Result<std::map<int64_t, std::string>> Snapshots::scan() const {
  std::map<int64_t, std::string> found;
  vfs::Volume& volume = *share_.volume;
  const auto folder = volume.find(server_credentials(), folder_, kAsOnDisk);
  if (!folder || !folder->attributes.is_directory()) return found;
  BRAID_TRY(const auto directory,
            volume.open(server_credentials(), *folder, {.access = {.read = true}}));
  BRAID_TRY(const auto enumeration, directory->enumerate(vfs::NameRules::kPosix));
  const auto has_token = [](std::string_view name) { return !find_snapshot_token(name).empty(); };
  std::vector<vfs::DirectoryEntry> entries;
  for (bool more = true; more;) {
    entries.clear();
    BRAID_TRY(more, enumeration->next(kEntriesAtOnce, has_token, entries));
    for (const vfs::DirectoryEntry& entry : entries) {
      if (!entry.attributes.is_directory()) continue;
      const auto time = parse_snapshot_token(find_snapshot_token(entry.name));
      if (!time) continue;
      // Of several of one second always the same.
      const auto [same, is_new] = found.try_emplace(*time, entry.name);
      if (!is_new && entry.name < same->second) same->second = entry.name;
    }
  }
  return found;
}

Result<std::vector<std::string>> Snapshots::list() const {
  BRAID_TRY(const auto found, scan());
  std::vector<std::string> tokens;
  for (const auto& [time, name] : found | std::views::reverse) {
    tokens.emplace_back(find_snapshot_token(name));
  }
  return tokens;
}

Result<FileKey> Snapshots::key_of(const std::string& name) const {
  vfs::Path path = folder_;
  BRAID_CHECK(path.append(name));
  BRAID_TRY(const auto found, share_.volume->find(server_credentials(), path, kAsOnDisk));
  return found.attributes.key;
}

Result<std::shared_ptr<const Share>> Snapshots::open(FileTime time) {
  const int64_t second = seconds_of(time);
  std::optional<OpenSnapshot> known;
  {
    auto open = open_.lock();
    if (const auto at = open->find(second); at != open->end()) known = at->second;
  }
  // Without the lock: the disk may hang. One that was deleted, or made anew under its name, is not
  // served from what is held of it.
  if (known) {
    const auto key = key_of(known->name);
    if (key && *key == known->key) return known->share;
    auto open = open_.lock();
    const auto at = open->find(second);
    if (at != open->end() && at->second.share == known->share) open->erase(at);
  }
  BRAID_TRY(const auto found, scan());
  const auto wanted = found.find(second);
  if (wanted == found.end()) return fail(NtStatus::kObjectNameNotFound);
  BRAID_TRY(const FileKey key, key_of(wanted->second));
  vfs::Path path = folder_;
  BRAID_CHECK(path.append(wanted->second));

  auto share = std::make_shared<Share>();
  static_cast<config::ShareRules&>(*share) = share_;
  share->read_only = true;
  share->change_notify = false;
  share->forced_user = share_.forced_user;
  share->forced_group = share_.forced_group;
  BRAID_TRY(share->volume, share_.volume->open_below(path));

  auto open = open_.lock();
  if (open->size() >= kOpenMax) open->erase(open->begin());  // the oldest; opens keep theirs
  open->insert_or_assign(second, OpenSnapshot{key, wanted->second, share});
  return share;
}

}  // namespace braid::smb2
