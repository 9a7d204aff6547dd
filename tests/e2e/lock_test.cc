// LOCK and CHANGE_NOTIFY: requests that wait.
#include "e2e.h"
#include "wire/fscc/notify.h"
#include "wire/smb2/change_notify.h"

namespace braid::e2e {
namespace {

using wire::LockFlags;

constexpr uint32_t kExclusiveNow = LockFlags::kExclusiveLock | LockFlags::kFailImmediately;
constexpr uint32_t kSharedNow = LockFlags::kSharedLock | LockFlags::kFailImmediately;

Task<Result<client::FilePtr>> open(client::TreePtr tree) {
  return tree->open(name_of_test(), kReadWriteDelete, wire::CreateDisposition::kOpenIf);
}

BRAID_E2E(Lock, ConflictsFailAtOnceIfAsked) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto first, co_await open(tree));
  E2E_TRY(const auto second, co_await open(tree));
  E2E_OK(co_await first->write(0, pattern(100)));
  E2E_OK(co_await first->lock({{0, 10, kExclusiveNow}}));
  E2E_FAILS(NtStatus::kLockNotGranted, co_await second->lock({{9, 10, kSharedNow}}));
  E2E_OK(co_await second->lock({{10, 10, kSharedNow}}));
  E2E_FAILS(NtStatus::kFileLockConflict, co_await second->read(5, 1));
  E2E_FAILS(NtStatus::kFileLockConflict, co_await second->write(5, as_bytes("x")));
  E2E_OK(co_await first->read(5, 1));
  E2E_OK(co_await first->lock({{0, 10, LockFlags::kUnlock}}));
  E2E_FAILS(NtStatus::kRangeNotLocked, co_await first->lock({{0, 10, LockFlags::kUnlock}}));
  E2E_OK(co_await second->read(5, 1));
}

BRAID_E2E(Lock, WaitsUntilTheOtherUnlocks) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto first, co_await open(tree));
  E2E_TRY(const auto second, co_await open(tree));
  E2E_OK(co_await first->lock({{0, 1, kExclusiveNow}}));
  E2E_TRY(const auto waiting, co_await second->start_lock({{0, 1, LockFlags::kExclusiveLock}}));
  EXPECT_TRUE((co_await waiting->interim()).has_value());
  EXPECT_FALSE(waiting->is_done());
  E2E_OK(co_await first->lock({{0, 1, LockFlags::kUnlock}}));
  E2E_TRY(const auto response, co_await waiting->response());
  EXPECT_EQ(response.status(), NtStatus::kSuccess);
}

BRAID_E2E(Lock, CancelEndsTheWait) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto first, co_await open(tree));
  E2E_TRY(const auto second, co_await open(tree));
  E2E_OK(co_await first->lock({{0, 1, kExclusiveNow}}));
  E2E_TRY(const auto waiting, co_await second->start_lock({{0, 1, LockFlags::kExclusiveLock}}));
  EXPECT_TRUE((co_await waiting->interim()).has_value());
  tree->session().cancel(*waiting);
  E2E_TRY(const auto response, co_await waiting->response());
  EXPECT_EQ(response.status(), NtStatus::kCancelled);
}

BRAID_E2E(Lock, CloseEndsTheWait) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto first, co_await open(tree));
  E2E_TRY(const auto second, co_await open(tree));
  E2E_OK(co_await first->lock({{0, 1, kExclusiveNow}}));
  E2E_TRY(const auto waiting, co_await second->start_lock({{0, 1, LockFlags::kExclusiveLock}}));
  EXPECT_TRUE((co_await waiting->interim()).has_value());
  E2E_OK(co_await second->close());
  E2E_TRY(const auto response, co_await waiting->response());
  EXPECT_EQ(response.status(), NtStatus::kRangeNotLocked);
}

BRAID_E2E(Notify, CreateRenameAndDeleteAreTold) {
  E2E_TRY(const auto tree, co_await env.mount());
  const std::string folder = name_of_test();
  E2E_OK(co_await tree->mkdir(folder));
  E2E_TRY(const auto directory, co_await tree->open_directory(folder));
  // What happens between two requests is kept for the next one.
  std::vector<wire::FileNotifyInformation> seen;
  E2E_TRY(auto exchange, co_await directory->start_notify(wire::CompletionFilter::kFileName));
  EXPECT_TRUE((co_await exchange->interim()).has_value());
  E2E_OK(co_await tree->write_file(folder + "\\one", to_bytes("x")));
  E2E_TRY(const auto file, co_await tree->open(folder + "\\one", wire::Access::kDelete));
  E2E_OK(co_await file->rename(folder + "\\two"));
  E2E_OK(co_await file->close());
  E2E_OK(co_await tree->unlink(folder + "\\two"));
  while (seen.size() < 4) {
    E2E_TRY(const auto reply, co_await exchange->reply<wire::ChangeNotifyResponse>());
    E2E_TRY(auto changes, wire::decode_notify(reply->output_buffer));
    for (auto& change : changes) seen.push_back(std::move(change));
    if (seen.size() < 4) {
      E2E_TRY(exchange, co_await directory->start_notify(wire::CompletionFilter::kFileName));
    }
  }
  using wire::FileAction;
  const std::vector<wire::FileNotifyInformation> expected = {
      {FileAction::kAdded, "one"},
      {FileAction::kRenamedOldName, "one"},
      {FileAction::kRenamedNewName, "two"},
      {FileAction::kRemoved, "two"},
  };
  EXPECT_TRUE(seen == expected);
}

BRAID_E2E(Notify, CloseOfTheDirectoryCleansUp) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto directory, co_await tree->open_directory());
  E2E_TRY(const auto exchange, co_await directory->start_notify(wire::CompletionFilter::kFileName));
  EXPECT_TRUE((co_await exchange->interim()).has_value());
  E2E_OK(co_await directory->close());
  E2E_TRY(const auto response, co_await exchange->response());
  EXPECT_EQ(response.status(), NtStatus::kNotifyCleanup);
}

}  // namespace
}  // namespace braid::e2e
