#include "smb2/files/local_guarding.h"

#include <utility>

namespace braid::smb2 {

using filestate::Caching;
using vfs::GuardLevel;

namespace {

GuardLevel level_for(Caching caching) {
  if (filestate::any(caching & Caching::kWrite)) return GuardLevel::kWrite;
  return filestate::any(caching) ? GuardLevel::kRead : GuardLevel::kNone;
}

// A handle is kept for what is cached of the file, and ends with it.
Caching guarded_by(GuardLevel level) {
  switch (level) {
    case GuardLevel::kWrite:
      return Caching::kReadWriteHandle;
    case GuardLevel::kRead:
      return Caching::kReadHandle;
    case GuardLevel::kNone:
      break;
  }
  return Caching::kNone;
}

}  // namespace

Caching LocalGuarding::guard(const FileKey& key, const vfs::File& file, Caching wanted,
                             filestate::Account account) {
  // Of directories the kernel has no leases.
  if (file.is_directory()) return Caching::kNone;
  const auto user = vfs::GuardedUser{std::to_underlying(account)};
  return guarded_by(guard_.guard(key, file.descriptor(), level_for(wanted), user));
}

Caching LocalGuarding::inherit(const FileKey& key, const vfs::File& file, Caching wanted,
                               filestate::Account account) {
  if (file.is_directory()) return Caching::kNone;
  const auto user = vfs::GuardedUser{std::to_underlying(account)};
  return guarded_by(guard_.inherit(key, file.descriptor(), level_for(wanted), user));
}

GuardLevel LocalGuarding::held(const FileKey& file) { return level_for(table_.held(file)); }

std::vector<vfs::GuardedUser> LocalGuarding::holders(const FileKey& file, GuardLevel level) {
  std::vector<vfs::GuardedUser> users;
  for (const auto account : table_.holders(file, Caching::kReadWriteHandle - guarded_by(level))) {
    users.push_back(vfs::GuardedUser{std::to_underlying(account)});
  }
  return users;
}

void LocalGuarding::take_down(const FileKey& file, GuardLevel level) {
  table_.take_for_local(file, Caching::kReadWriteHandle - guarded_by(level));
}

}  // namespace braid::smb2
