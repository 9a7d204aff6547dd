#include "smb2/share_look.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <unordered_map>

#include "base/ask_apart.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace braid::smb2 {
namespace {

struct Look {
  std::chrono::steady_clock::time_point until;
  std::condition_variable done;
  std::optional<std::string> found;  // under Looks::mutex
};

// All that are under way, by path.
struct Looks {
  std::mutex mutex;
  std::unordered_map<std::string, std::shared_ptr<Look>> by_path;
};

// Never destroyed: a thread that waits for a disk may outlive everything else.
Looks& looks() {
  static auto* const instance = new Looks;
  return *instance;
}

std::string absence_now(const std::string& path) {
  const UniqueFd folder(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return Error::last_os_error().message();
  return is_out_of_reach(folder.get()) ? std::string(kOutOfReach) : std::string();
}

void finish(const std::string& path, Look& look, std::string found) {
  const std::lock_guard lock(looks().mutex);
  look.found = std::move(found);
  looks().by_path.erase(path);
  look.done.notify_all();
}

std::shared_ptr<Look> look_under_way(const std::string& path) {
  std::shared_ptr<Look> look;
  {
    const std::lock_guard lock(looks().mutex);
    auto& place = looks().by_path[path];
    if (place) return place;
    place = look = std::make_shared<Look>();
    look->until = std::chrono::steady_clock::now() + kAskTime;
  }
  try {
    std::thread([path, look] { finish(path, *look, absence_now(path)); }).detach();
  } catch (const std::system_error& error) {
    finish(path, *look, Error::os(error.code().value()).message());
  }
  return look;
}

}  // namespace

bool is_out_of_reach(int folder) {
  // access() asks for rights only; open() asks Landlock, too.
  if (::faccessat(folder, ".", R_OK | X_OK, 0) != 0) return false;
  const UniqueFd opened(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return !opened && errno == EACCES;
}

void begin_look(const std::string& path) { (void)look_under_way(path); }

std::string absence_of(const std::string& path) {
  const auto look = look_under_way(path);
  std::unique_lock lock(looks().mutex);
  look->done.wait_until(lock, look->until, [&] { return look->found.has_value(); });
  return look->found.value_or("it does not answer");
}

}  // namespace braid::smb2
