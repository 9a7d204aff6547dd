#include "smb2/files/durable.h"

#include <memory>
#include <utility>
#include <vector>

#include "base/log.h"
#include "smb2/connections/connection.h"
#include "smb2/files/close_open.h"
#include "smb2/files/file_services.h"
#include "smb2/files/report.h"
#include "smb2/opens/work_owner.h"
#include "smb2/persistent/persistent_handles.h"

namespace braid::smb2 {
namespace {

// For closing what has no session any more.
std::shared_ptr<Open> restore_to_close(PreservedOpen preserved) {
  auto tree = std::make_shared<TreeConnect>(TreeId{}, preserved.share, 0);
  auto open = restore(std::move(preserved), nullptr, std::move(tree));
  open->begin_close();
  return open;
}

}  // namespace

Task<void> lose_open(FileServices& files, std::shared_ptr<Open> open) {
  const DurableTerms terms = *open->durable_terms.lock();
  // A promise that is written down is kept, however many there are.
  const bool is_kept =
      terms.durability == filestate::Durability::kPersistent ||
      (terms.durability != filestate::Durability::kNone && files.open_table.has_room(open->user));
  if (!is_kept) {
    co_await close_open(files, std::move(open));
    co_return;
  }
  files.open_table.begin_leaving(*open);
  if (!co_await begin_and_wait(files, open)) co_return;
  if (!files.file_table.disconnect(open->ref())) {
    (void)finish_close(files, *open);
    co_return;
  }
  if (open->pending_notifications != 0) report_noted(files, *open);
  if (terms.durability == filestate::Durability::kPersistent) files.persistent->detach(*open);
  const auto deadline = files.clock.monotonic() + terms.timeout;
  files.open_table.park(preserve(*open), deadline);
  log::debug("open {} is kept for {} ms", open->file_id.persistent, terms.timeout.count());
  files.arm_scavenger();
}

std::shared_ptr<OneShot<bool>> loss_under_way(const Open& open, const ClientGuid& client,
                                              filestate::UserId user) {
  const auto session = open.session.lock();
  if (!session || session->client_guid != client || session->user_id() != user) return nullptr;
  const auto channels = session->channels();
  if (channels.empty()) {
    if (session->opens_left.is_set()) return nullptr;
    return {session, &session->opens_left};
  }
  std::vector<std::shared_ptr<Connection>> lost;
  for (const auto& channel : channels) {
    auto connection = channel->connection.lock();
    if (!connection) continue;
    if (!connection->is_lost()) return nullptr;
    lost.push_back(std::move(connection));
  }
  if (lost.empty()) return nullptr;
  for (const auto& connection : lost) connection->disconnect();
  return lost.back()->loss;
}

void take_promise_back(FileServices& files, Open& open) {
  auto durability = filestate::Durability::kDurable;
  if (open.attributes.is_directory || !files.file_table.set_durability(open.ref(), durability)) {
    durability = filestate::Durability::kNone;
    (void)files.file_table.set_durability(open.ref(), durability);
  }
  open.durable_terms.lock()->durability = durability;
}

Task<void> close_claimed(FileServices& files, PreservedOpen preserved) {
  WorkerPool::Seat seat(files.pool, work_of(preserved.owner.get(), preserved.share.get()));
  co_await seat.schedule();
  if (!files.file_table.reconnect(preserved.ref(), SessionId{})) {
    files.open_table.give_back(std::move(preserved));
    co_return;
  }
  const auto open = restore_to_close(std::move(preserved));
  (void)finish_close(files, *open);
}

Task<void> close_purged(FileServices& files, GivenUpOpen purged) {
  // The newcomer for whom it gave way waits for this: not behind what its owner has to do.
  WorkerPool::Seat seat(files.pool, work_of(nullptr, purged.open.share.get()));
  co_await seat.schedule();
  const auto open = restore_to_close(std::move(purged.open));
  (void)finish_close(files, *open, std::move(purged.closed));
}

}  // namespace braid::smb2
