#include "smb2/shares/share_look.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <unordered_map>

#include "auth/unix_user.h"
#include "base/ask_apart.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "config/homes.h"
#include "runtime/identity.h"

namespace braid::smb2 {
namespace {

struct Found {
  std::string absence;
  std::optional<ShareSpace> space;
};

struct Look {
  std::chrono::steady_clock::time_point until;
  std::condition_variable done;
  std::optional<Found> found;  // under Looks::mutex
};

// All that are under way, by path and group.
struct Looks {
  std::mutex mutex;
  std::unordered_map<std::string, std::shared_ptr<Look>> under_way;
};

// Never destroyed: a thread that waits for a disk may outlive everything else.
Looks& looks() {
  static auto* const instance = new Looks;
  return *instance;
}

// What is looked at; no path has the character between.
std::string key_of(const config::Share& share) {
  return share.path + '\0' + share.force_group + '\0' + share.force_user;
}

Found absent(std::string why) { return {.absence = std::move(why), .space = {}}; }

Found look_now(const config::Share& share) {
  const UniqueFd folder(
      ::open(config::served_folder(share.path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return absent(Error::last_os_error().message());
  if (is_out_of_reach(folder.get())) return absent(std::string(kOutOfReach));
  const auto forced = forced_owner(share);
  if (!forced) return absent(why_absent(share, forced.error()));
  struct statvfs status{};
  if (::fstatvfs(folder.get(), &status) != 0) return {};
  return {.absence = {},
          .space = ShareSpace{.size_bytes = status.f_blocks * status.f_frsize,
                              .free_bytes = status.f_bavail * status.f_frsize}};
}

void finish(const std::string& key, Look& look, Found found) {
  const std::lock_guard lock(looks().mutex);
  look.found = std::move(found);
  looks().under_way.erase(key);
  look.done.notify_all();
}

std::shared_ptr<Look> look_under_way(const config::Share& share) {
  const std::string key = key_of(share);
  std::shared_ptr<Look> look;
  {
    const std::lock_guard lock(looks().mutex);
    auto& place = looks().under_way[key];
    if (place) return place;
    place = look = std::make_shared<Look>();
    look->until = std::chrono::steady_clock::now() + kAskTime;
  }
  try {
    std::thread([share, key, look] { finish(key, *look, look_now(share)); }).detach();
  } catch (const std::system_error& error) {
    finish(key, *look, absent(Error::os(error.code().value()).message()));
  }
  return look;
}

Found wait_for_look(const config::Share& share) {
  const auto look = look_under_way(share);
  std::unique_lock lock(looks().mutex);
  look->done.wait_until(lock, look->until, [&] { return look->found.has_value(); });
  return look->found.value_or(absent("it does not answer"));
}

}  // namespace

bool is_out_of_reach(int folder) {
  // access() asks for rights only; open() asks Landlock, too.
  if (::faccessat(folder, ".", R_OK | X_OK, 0) != 0) return false;
  const UniqueFd opened(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return !opened && errno == EACCES;
}

Result<ForcedOwner> forced_owner(const config::Share& share) {
  ForcedOwner forced;
  if (share.force_group.empty() && share.force_user.empty()) return forced;
  if (!can_switch_identity()) return fail(NtStatus::kPrivilegeNotHeld);
  if (!share.force_user.empty()) {
    auto user = auth::find_unix_user(share.force_user);
    if (!user) return fail(NtStatus::kNoSuchUser);
    if (user->uid == 0) return fail(NtStatus::kPrivilegeNotHeld);
    forced.user = *std::move(user);
  }
  if (!share.force_group.empty()) {
    forced.group = auth::find_unix_group(share.force_group);
    if (!forced.group) return fail(NtStatus::kNoSuchGroup);
  }
  return forced;
}

std::string why_absent(const config::Share& share, const Error& error) {
  if (error == Error(NtStatus::kNoSuchGroup)) {
    return fmt::format("force_group: there is no group '{}'", share.force_group);
  }
  if (error == Error(NtStatus::kNoSuchUser)) {
    return fmt::format("force_user: there is no Unix user '{}'", share.force_user);
  }
  if (error == Error(NtStatus::kPrivilegeNotHeld)) {
    if (share.force_user.empty()) return "force_group takes a server that is root";
    return "force_user takes a server that is root, and a user that is not";
  }
  return error.message();
}

void begin_look(const config::Share& share) { (void)look_under_way(share); }

std::string absence_of(const config::Share& share) { return wait_for_look(share).absence; }

std::optional<ShareSpace> space_of(const config::Share& share) {
  return wait_for_look(share).space;
}

}  // namespace braid::smb2
