#include "auth/unix_user_cache.h"

#include <sys/stat.h>

#include <utility>

namespace braid::auth {

UnixUserCache::Stamp UnixUserCache::stamp_of_user_files() {
  Stamp stamp;
  for (const char* file : {"/etc/passwd", "/etc/group", "/etc/nsswitch.conf"}) {
    struct stat st{};
    if (::stat(file, &st) != 0) st = {};
    const auto add = [&](auto number) { stamp += std::to_string(number) + ' '; };
    add(st.st_ino);
    add(st.st_size);
    add(st.st_mtim.tv_sec);
    add(st.st_mtim.tv_nsec);
  }
  return stamp;
}

Result<UnixUser> UnixUserCache::find(const std::string& name) {
  // Before the look-up: one that is changed meanwhile is asked for again.
  const Stamp stamp = stamp_();
  const Clock::Instant now = clock_.monotonic();
  {
    auto state = state_.lock();
    if (std::exchange(state->stamp, stamp) != stamp) state->users.clear();
    const auto known = state->users.find(name);
    if (known != state->users.end() && now < known->second.until) return known->second.user;
  }
  BRAID_TRY(UnixUser found, look_up_(name));
  auto state = state_.lock();
  if (state->stamp == stamp) {
    if (state->users.size() >= kUsersMax) state->users.clear();
    state->users.insert_or_assign(name, Entry{found, now + kLifetime});
  }
  return found;
}

}  // namespace braid::auth
