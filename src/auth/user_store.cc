#include "auth/user_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <iterator>
#include <map>
#include <utility>

#include "auth/account_name.h"
#include "auth/state_file.h"
#include "auth/user_line.h"
#include "base/guarded.h"
#include "base/log.h"
#include "crypto/ntlm_primitives.h"
#include "crypto/sealing.h"
#include "runtime/identity.h"
#include "wire/fold.h"
#include "wire/utf16.h"

namespace braid::auth {
namespace {

constexpr std::string_view kHeader = "braid-users 1";

// What tells one version of the file from another.
struct Stamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = -1;
  timespec changed{};

  static Stamp of(const struct stat& status) {
    return {status.st_dev, status.st_ino, status.st_size, status.st_mtim};
  }
  bool operator==(const Stamp& other) const {
    return device == other.device && inode == other.inode && size == other.size &&
           changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
  }
};

// One version of the file. Immutable.
struct Snapshot {
  Stamp stamp;
  std::vector<User> users;              // in file order
  std::map<std::string, size_t> index;  // folded name to position in users
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

bool is_valid_unix_name(std::string_view name) {
  return !name.empty() && name.size() <= 256 && std::ranges::none_of(name, [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == ':' || c == 0x7f;
  });
}

}  // namespace

Result<crypto::Secret> nt_hash_of(std::string_view password) {
  auto utf16 = wire::utf16le_from_utf8(password);
  if (!utf16) return fail(NtStatus::kInvalidParameter);
  auto hash = crypto::md4(*utf16);
  crypto::wipe(*utf16);
  crypto::Secret secret{ByteView(hash)};
  crypto::wipe(hash);
  return secret;
}

struct UserStore::Impl {
  Impl(std::string folder_in, const crypto::Secret& key)
      : folder(std::move(folder_in)), sealing_key(crypto::Cipher::kAes256Gcm, key) {}

  std::string path() const { return folder + "/users"; }

  // Reads and opens the file as it is now.
  Result<SnapshotPtr> load() const {
    auto loaded = std::make_shared<Snapshot>();
    auto content = read_file(path());
    if (!content) {
      // No file yet means no users yet.
      if (content.error().is_os(ENOENT)) return loaded;
      return fail(content.error());
    }
    loaded->stamp = Stamp::of(content->status);
    std::string_view text = as_text(content->bytes);
    bool is_first = true;
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      const std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (std::exchange(is_first, false)) {
        if (line != kHeader) return fail(Error::unsupported());
        continue;
      }
      if (line.empty()) continue;
      BRAID_TRY(User user, open_user_line(line, sealing_key));
      if (!loaded->index.emplace(wire::fold(user.name), loaded->users.size()).second) {
        return fail(Error::malformed());
      }
      loaded->users.push_back(std::move(user));
    }
    return loaded;
  }

  // The snapshot, made anew if the file changed. Who asks may be a thread that has just acted as
  // one of the users, and the file is the server's.
  Result<SnapshotPtr> current() const {
    const ScopedPrivilege privilege;
    auto found =
        privilege.status() ? look() : Result<SnapshotPtr>(fail(privilege.status().error()));
    if (!found) log::error("cannot read {}: {}", path(), found.error().message());
    return found;
  }
  Result<SnapshotPtr> look() const {
    struct stat status;
    const bool exists = stat(path().c_str(), &status) == 0;
    if (!exists && errno != ENOENT) return fail_last_os();
    const Stamp stamp = exists ? Stamp::of(status) : Stamp{};
    if (SnapshotPtr held = *snapshot.lock(); held && held->stamp == stamp) return held;
    // Without the lock: it reads a file. One that was read earlier and is kept later is found out
    // by its stamp.
    BRAID_TRY(auto loaded, load());
    *snapshot.lock() = loaded;
    return loaded;
  }

  // Runs `change` on a fresh list under the lock that other processes honour, then writes it.
  template <class Change>
  Result<void> rewrite(Change&& change) {
    BRAID_TRY(const FileHandle lock, lock_file(path() + ".lock"));
    BRAID_TRY(const SnapshotPtr before, load());
    std::vector<User> users = before->users;
    const auto find = [&](std::string_view name) {
      const auto found = before->index.find(wire::fold(name));
      return found == before->index.end() ? users.end()
                                          : users.begin() + static_cast<ptrdiff_t>(found->second);
    };
    BRAID_CHECK(change(users, find));
    std::string text(kHeader);
    text += '\n';
    for (const User& user : users) text += seal_user_line(user, sealing_key) + "\n";
    BRAID_CHECK(replace_file(path(), as_bytes(text)));
    // The new file may have the old one's inode number and, within a tick, its time.
    *snapshot.lock() = nullptr;
    return {};
  }

  std::string folder;
  crypto::CipherKey sealing_key;
  mutable Guarded<SnapshotPtr> snapshot;
};

UserStore::UserStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
UserStore::UserStore(UserStore&&) noexcept = default;
UserStore& UserStore::operator=(UserStore&&) noexcept = default;
UserStore::~UserStore() = default;

Result<UserStore> UserStore::open(const std::string& state_dir) {
  BRAID_CHECK(ensure_folder(state_dir));
  // A new key would not open the accounts that there are.
  struct stat status{};
  if (stat((state_dir + "/users").c_str(), &status) == 0 &&
      stat((state_dir + "/users.key").c_str(), &status) != 0 && errno == ENOENT) {
    return fail_os(ENOKEY);
  }
  const auto fresh = crypto::Secret::random(crypto::key_size(crypto::Cipher::kAes256Gcm));
  BRAID_TRY(Bytes bytes, read_or_create(state_dir, "users.key", fresh.reveal()));
  const crypto::Secret key(bytes);
  crypto::wipe(bytes);
  if (bytes.size() != fresh.size()) return fail(Error::malformed());
  auto impl = std::make_unique<Impl>(state_dir, key);
  // Now and not at the first logon, which would only be refused.
  BRAID_TRY(SnapshotPtr users, impl->load());
  *impl->snapshot.lock() = std::move(users);
  return UserStore(std::move(impl));
}

Result<User> UserStore::find(std::string_view name) const {
  BRAID_TRY(const SnapshotPtr snapshot, impl_->current());
  const auto found = snapshot->index.find(wire::fold(name));
  if (found == snapshot->index.end()) return fail(NtStatus::kNoSuchUser);
  const User& user = snapshot->users[found->second];
  if (user.is_removed) return fail(NtStatus::kNoSuchUser);
  return user;
}

Result<std::vector<User>> UserStore::list() const {
  BRAID_TRY(const SnapshotPtr snapshot, impl_->current());
  std::vector<User> users;
  std::ranges::remove_copy_if(snapshot->users, std::back_inserter(users), &User::is_removed);
  return users;
}

Result<bool> UserStore::shuts_out(std::string_view name, std::string_view unix_user) const {
  BRAID_TRY(const SnapshotPtr snapshot, impl_->current());
  return std::ranges::any_of(snapshot->users, [&](const User& user) {
    return (user.is_removed || user.is_disabled) &&
           (wire::equal_fold(user.name, name) || user.unix_user == unix_user);
  });
}

Result<void> UserStore::add(const User& user) {
  if (!is_valid_account_name(user.name) || !is_valid_unix_name(user.unix_user)) {
    return fail(NtStatus::kInvalidAccountName);
  }
  return impl_->rewrite([&](std::vector<User>& users, const auto& find) -> Result<void> {
    const auto found = find(user.name);
    if (found == users.end()) {
      users.push_back(user);
    } else if (found->is_removed) {
      *found = user;
    } else {
      return fail(NtStatus::kUserExists);
    }
    return {};
  });
}

Result<void> UserStore::update(const User& user) {
  if (!is_valid_unix_name(user.unix_user)) return fail(NtStatus::kInvalidAccountName);
  return impl_->rewrite([&](std::vector<User>& users, const auto& find) -> Result<void> {
    const auto found = find(user.name);
    if (found == users.end() || found->is_removed) return fail(NtStatus::kNoSuchUser);
    *found = user;
    return {};
  });
}

Result<void> UserStore::remove(std::string_view name) {
  return impl_->rewrite([&](std::vector<User>& users, const auto& find) -> Result<void> {
    const auto found = find(name);
    if (found == users.end() || found->is_removed) return fail(NtStatus::kNoSuchUser);
    User removed;
    removed.name = found->name;
    removed.unix_user = found->unix_user;
    removed.is_removed = true;
    *found = std::move(removed);
    return {};
  });
}

}  // namespace braid::auth
