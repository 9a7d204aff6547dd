// UserStore: the local accounts, one file in the state folder.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/secret.h"

namespace braid::auth {

// Longest account name in UTF-16 units: [MS-SAMR] 3.1.1.6, sAMAccountName of a user.
inline constexpr size_t kAccountNameUnitsMax = 20;

struct User {
  std::string name;        // UTF-8; compares without regard to case
  std::string unix_user;   // whose files it acts on
  crypto::Secret nt_hash;  // MD4 of the UTF-16LE password, [MS-NLMP] 3.3.1 NTOWFv1
  bool is_disabled = false;
  bool is_admin = false;
  bool is_removed = false;  // in the file only: what UserStore::shuts_out() remembers it by
};

// MD4(UTF16LE(password)). STATUS_INVALID_PARAMETER if it is not UTF-8.
Result<crypto::Secret> nt_hash_of(std::string_view password);

// `state_dir`/users (one line per account, hash sealed with AES-256-GCM) and `state_dir`/users.key
// (the sealing key), both mode 0600. Changes are atomic replacements under a lock file, so the
// server and braidctl may work on them at once. The format is in auth/README.md.
// Thread: any. Reads are from a snapshot, reread when the file's identity, size or time changed.
class UserStore {
 public:
  // Makes the folder (mode 0700) and the key if they are not there.
  static Result<UserStore> open(const std::string& state_dir);
  UserStore(UserStore&&) noexcept;
  UserStore& operator=(UserStore&&) noexcept;
  ~UserStore();

  // STATUS_NO_SUCH_USER when there is none.
  Result<User> find(std::string_view name) const;
  Result<std::vector<User>> list() const;  // in file order

  // STATUS_USER_EXISTS, STATUS_INVALID_ACCOUNT_NAME, or the file system's error.
  Result<void> add(const User& user);
  // Replaces the account of that name. STATUS_NO_SUCH_USER.
  Result<void> update(const User& user);
  // The name stays in the file, without its hash: see shuts_out(). add() takes it back.
  Result<void> remove(std::string_view name);

  // Whether an account of this name, or one that acts as this Unix user, was removed or is
  // disabled. A Kerberos principal without an account of its own must not get in all the same.
  Result<bool> shuts_out(std::string_view name, std::string_view unix_user) const;

 private:
  struct Impl;
  explicit UserStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace braid::auth
