#include "auth/state_complaint.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "auth/id_mapper.h"
#include "crypto/algorithms.h"

namespace braid::auth {
namespace {

constexpr auto kKeySize = static_cast<off_t>(crypto::key_size(crypto::Cipher::kAes256Gcm));

std::optional<struct stat> status_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

}  // namespace

std::string state_complaint(const std::string& state_dir, Error error,
                            const std::string& config_file) {
  const std::string key = state_dir + "/users.key";
  const std::string users = state_dir + "/users";
  const std::string sid = state_dir + "/domain_sid";
  if (error.is_os(ENOKEY)) {
    return fmt::format(
        "{} is missing, and {} cannot be read without it; bring it back from a backup, "
        "or remove {} and add the accounts again",
        key, users, users);
  }
  for (const std::string& file : {key, sid}) {
    const auto status = status_of(file);
    if (error.is_os(EPERM) && status && (status->st_mode & 077) != 0) {
      return fmt::format(
          "{} is accessible to others; chmod 600 it, and if they may have read it give "
          "all accounts new passwords",
          file);
    }
  }
  if (error.is_os(EACCES) && ::geteuid() != 0) {
    return fmt::format("state_dir {}: {}; run it as root (sudo), or as the server's user",
                       state_dir, error.message());
  }
  if (error.fault() == Fault::kOs) {
    return fmt::format("state_dir {}: {}; correct state_dir in {} or its permissions", state_dir,
                       error.message(), config_file);
  }
  // A file that can be read and is not what the server wrote.
  const auto key_status = status_of(key);
  if (key_status && key_status->st_size != kKeySize) {
    return fmt::format(
        "{} is damaged; bring it back from a backup, or remove it and {} and add the "
        "accounts again",
        key, users);
  }
  if (status_of(sid) && !IdMapper::open(state_dir, "")) {
    return fmt::format(
        "{} is damaged; bring it back from a backup, or remove it: then clients meet "
        "another server, and accounts have other SIDs",
        sid);
  }
  const char* const why = error == Error(NtStatus::kAccessDenied)
                              ? "was not made with the users.key beside it"
                              : "is damaged";
  return fmt::format(
      "{} {}; bring both back from one backup, or remove it and add the accounts again", users,
      why);
}

}  // namespace braid::auth
