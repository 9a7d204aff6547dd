#include "auth/unix_user.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <mutex>

namespace braid::auth {
namespace {

// Groups with thousands of members have entries this long; beyond it something is wrong.
constexpr size_t kEntrySizeMax = size_t{1} << 20;
// The kernel's limit on supplementary groups (NGROUPS_MAX).
constexpr int kGroupsMax = 65'536;

// Runs one of the re-entrant look-ups with a buffer that grows; `found` gets the entry, which
// points into the buffer. STATUS_NO_SUCH_USER when there is none.
template <class Entry, class Lookup, class Found>
Result<void> look_up(Lookup&& lookup, Found&& found) {
  for (size_t size = 1024; size <= kEntrySizeMax; size *= 4) {
    const auto buffer = std::make_unique_for_overwrite<char[]>(size);
    Entry entry;
    Entry* result = nullptr;
    const int error = lookup(&entry, buffer.get(), size, &result);
    if (error == ERANGE) continue;
    if (result != nullptr) {
      found(*result);
      return {};
    }
    // Name services report "not found" in several ways besides 0.
    if (error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM) {
      return fail(NtStatus::kNoSuchUser);
    }
    return fail_os(error);
  }
  return fail_os(ERANGE);
}

std::vector<gid_t> groups_of(const std::string& name, gid_t gid) {
  std::vector<gid_t> groups(64);
  while (true) {
    int count = static_cast<int>(groups.size());
    if (getgrouplist(name.c_str(), gid, groups.data(), &count) >= 0) {
      groups.resize(static_cast<size_t>(count));
      return groups;
    }
    if (static_cast<int>(groups.size()) >= kGroupsMax) break;
    groups.resize(std::min<size_t>(
        static_cast<size_t>(kGroupsMax),
        std::max<size_t>(groups.size() * 2, static_cast<size_t>(std::max(count, 0)))));
  }
  return {gid};
}

}  // namespace

Result<UnixUser> find_unix_user(const std::string& name) {
  UnixUser user;
  BRAID_CHECK(look_up<passwd>(
      [&](passwd* entry, char* buffer, size_t size, passwd** result) {
        return getpwnam_r(name.c_str(), entry, buffer, size, result);
      },
      [&](const passwd& entry) {
        user.name = entry.pw_name;
        user.uid = entry.pw_uid;
        user.gid = entry.pw_gid;
      }));
  user.groups = groups_of(user.name, user.gid);
  return user;
}

UnixUser own_unix_user() {
  UnixUser user;
  user.uid = geteuid();
  user.gid = getegid();
  user.name = user_name_of(user.uid).value_or(std::to_string(user.uid));
  const int count = getgroups(0, nullptr);
  if (count > 0) {
    user.groups.resize(static_cast<size_t>(count));
    const int got = getgroups(count, user.groups.data());
    user.groups.resize(static_cast<size_t>(std::max(got, 0)));
  }
  if (std::ranges::find(user.groups, user.gid) == user.groups.end()) {
    user.groups.push_back(user.gid);
  }
  return user;
}

bool can_act_as_others() { return geteuid() == 0; }

std::optional<std::string> user_name_of(uid_t uid) {
  std::string name;
  const auto found =
      look_up<passwd>([&](passwd* entry, char* buffer, size_t size,
                          passwd** result) { return getpwuid_r(uid, entry, buffer, size, result); },
                      [&](const passwd& entry) { name = entry.pw_name; });
  if (!found) return std::nullopt;
  return name;
}

std::optional<std::string> group_name_of(gid_t gid) {
  std::string name;
  const auto found =
      look_up<group>([&](group* entry, char* buffer, size_t size,
                         group** result) { return getgrgid_r(gid, entry, buffer, size, result); },
                     [&](const group& entry) { name = entry.gr_name; });
  if (!found) return std::nullopt;
  return name;
}

std::optional<gid_t> find_unix_group(const std::string& name) {
  gid_t gid = 0;
  const auto found = look_up<group>(
      [&](group* entry, char* buffer, size_t size, group** result) {
        return getgrnam_r(name.c_str(), entry, buffer, size, result);
      },
      [&](const group& entry) { gid = entry.gr_gid; });
  if (!found) return std::nullopt;
  return gid;
}

std::vector<UnixGroup> list_unix_groups(size_t max) {
  static std::mutex mutex;  // the position in the list is the process's
  const std::lock_guard lock(mutex);
  std::vector<UnixGroup> groups;
  std::vector<char> buffer(64u << 10);
  ::setgrent();
  while (groups.size() < max) {
    group entry{};
    group* found = nullptr;
    const int error = ::getgrent_r(&entry, buffer.data(), buffer.size(), &found);
    // Very many members; the same comes again.
    if (error == ERANGE && buffer.size() < (16u << 20)) {
      buffer.resize(2 * buffer.size());
      continue;
    }
    if (error != 0 || !found) break;
    UnixGroup& one = groups.emplace_back();
    one.name = entry.gr_name;
    one.gid = entry.gr_gid;
    for (char** member = entry.gr_mem; member && *member; ++member) {
      one.members.emplace_back(*member);
    }
  }
  ::endgrent();
  return groups;
}

}  // namespace braid::auth
