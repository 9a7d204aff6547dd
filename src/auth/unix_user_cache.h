// Unix users that were looked up a moment ago.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>

#include "auth/unix_user.h"
#include "base/clock.h"
#include "base/guarded.h"

namespace braid::auth {

// For logons: the look-up of a user and his groups walks through every name service, and takes
// longer than the rest of a logon. Clients log on again and again, so what was found is good for a
// few seconds, or until a file of the user database changes. What was not found is asked for again.
// Owner: the IdentityMaker. Thread: any.
class UnixUserCache {
 public:
  static constexpr std::chrono::seconds kLifetime{5};
  static constexpr size_t kUsersMax = 1024;

  using Lookup = std::function<Result<UnixUser>(const std::string& name)>;
  // What a change of the files shows in; the same for as long as they stay as they are.
  using Stamp = std::string;

  // `clock` outlives it.
  explicit UnixUserCache(const Clock& clock = system_clock(), Lookup look_up = find_unix_user,
                         std::function<Stamp()> stamp = stamp_of_user_files)
      : clock_(clock), look_up_(std::move(look_up)), stamp_(std::move(stamp)) {}

  // As find_unix_user(). May wait for a name service.
  Result<UnixUser> find(const std::string& name);

  static Stamp stamp_of_user_files();

 private:
  struct Entry {
    UnixUser user;
    Clock::Instant until;
  };
  struct State {
    Stamp stamp;
    std::map<std::string, Entry> users;
  };

  const Clock& clock_;
  const Lookup look_up_;
  const std::function<Stamp()> stamp_;
  Guarded<State> state_;
};

}  // namespace braid::auth
