#include "apps/braidd/state_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>

#include "auth/state_file.h"
#include "base/result.h"

namespace braid::braidd {
namespace {

// The number in the file; empty for anything else, as when its owner has not written it yet.
std::string owner_of(int lock) {
  std::string digits(16, '\0');
  const ssize_t got = ::pread(lock, digits.data(), digits.size(), 0);
  size_t count = 0;
  while (got > 0 && count < static_cast<size_t>(got) &&
         std::isdigit(static_cast<unsigned char>(digits[count])) != 0) {
    ++count;
  }
  digits.resize(count);
  return digits;
}

Result<void> write_owner(int lock) {
  const std::string text = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock, 0) != 0) return fail_last_os();
  if (::pwrite(lock, text.data(), text.size(), 0) < 0) return fail_last_os();
  return {};
}

}  // namespace

std::expected<UniqueFd, std::string> lock_state_dir(const std::string& folder,
                                                    const std::string& config_file) {
  const auto complain = [&](Error error) {
    return std::unexpected(
        fmt::format("state_dir {}: {}; correct state_dir in {} or its permissions", folder,
                    error.message(), config_file));
  };
  if (auto made = auth::ensure_folder(folder); !made) return complain(made.error());
  UniqueFd lock(::open((folder + "/lock").c_str(),
                       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600));
  if (!lock) return complain(fail_last_os().error());
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return complain(fail_last_os().error());
    const std::string owner = owner_of(lock.get());
    return std::unexpected(fmt::format(
        "state_dir {}: another server runs on it{}; stop that one, or give this one a state_dir of "
        "its own in {}",
        folder, owner.empty() ? "" : ", process " + owner, config_file));
  }
  if (auto written = write_owner(lock.get()); !written) return complain(written.error());
  return lock;
}

}  // namespace braid::braidd
