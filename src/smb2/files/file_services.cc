#include "smb2/files/file_services.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "smb2/common/limits.h"
#include "smb2/files/app_instance.h"
#include "smb2/files/close_open.h"
#include "smb2/files/deletion.h"
#include "smb2/files/deletion_news.h"
#include "smb2/files/durable.h"
#include "smb2/files/local_guarding.h"
#include "smb2/files/local_watching.h"
#include "smb2/files/open_claims.h"
#include "smb2/opens/work_owner.h"
#include "smb2/persistent/persistent_handles.h"
#include "smb2/workers/other_workers.h"

namespace braid::smb2 {
namespace {

// A guarded file takes a descriptor: an eighth of all, beside the opens'.
constexpr size_t kOfGuardsInDescriptors = 8;

}  // namespace

FileServices::FileServices(const Parts& parts)
    : clock(parts.clock),
      pool(parts.pool),
      ids(parts.ids),
      settings(parts.settings),
      audit(parts.audit),
      file_ids(parts.workers.own_tag()),
      fds(parts.descriptors_max),
      breaks(parts.sessions, parts.clients, parts.break_retry, parts.timers),
      descriptors(parts.ids, parts.clock),
      notify(parts.workers.group(), parts.is_worker),
      file_table(breaks, parts.workers.group()),
      open_claims(std::make_unique<OpenClaims>(*this, parts.workers)),
      app_instances(std::make_unique<AppInstances>(*this, parts.workers)),
      persistent(std::make_unique<PersistentHandles>(RestoreParts{.clock = clock,
                                                                  .file_table = file_table,
                                                                  .open_table = open_table,
                                                                  .file_ids = file_ids,
                                                                  .fds = fds},
                                                     parts.workers)),
      local_guarding(std::make_unique<LocalGuarding>(
          file_table, clock, parts.descriptors_max / kOfGuardsInDescriptors)),
      local_watching(std::make_unique<LocalWatching>(file_table, parts.is_worker)),
      timers_(parts.timers),
      workers_(parts.workers),
      directory_leases_(workers_.any() ? workers_.group()->counter(store::Counter::kDirectoryLeases)
                                       : own_directory_leases_),
      deletion_news_(std::make_unique<DeletionNews>(*this, parts.workers)),
      scavenger_(std::make_shared<Scavenger>(parts.timers)) {
  file_ids.start_at(parts.first_file_id);
  breaks.set_table(file_table);
  breaks.set_purged([this](const auto& ref, const auto& closed) { purged(ref, closed); });
  open_table.set_purged([this](GivenUpOpen open) { spawn(close_purged(*this, std::move(open))); });
  breaks.set_time_for([this](const filestate::Break& each) {
    const bool is_promised = each.is_lease ? persistent->is_promised(each.id.file, each.lease)
                                           : persistent->is_promised(each.persistent_id);
    return !is_promised    ? kBreakTimeout
           : each.is_lease ? kPersistentLeaseBreakTimeout
                           : kPersistentOplockBreakTimeout;
  });
  breaks.set_orphaned([this](const auto& deletion) { orphaned(deletion); });
  file_table.hand_out_orphans();
}

Task<void> FileServices::end_timers() {
  scavenger_->stopped = true;
  local_guarding->stop();
  local_watching->stop();
  co_await breaks.end_timers();
  scavenger_->timer.cancel();
}

FileServices::~FileServices() {
  scavenger_->stopped = true;
  // A Timer is its reactor's.
  timers_.post([scavenger = std::move(scavenger_)] { scavenger->timer.cancel(); });
}

void FileServices::granted_directory_lease() {
  if (has_directory_leases()) return;
  if (auto* const group = workers_.group()) {
    group->raise(store::Counter::kDirectoryLeases);
  } else {
    ++own_directory_leases_;
  }
}

namespace {

Task<void> end_open(FileServices& files, std::shared_ptr<Open> open, DurableOpens durable) {
  if (durable == DurableOpens::kKept) {
    co_await lose_open(files, std::move(open));
  } else {
    co_await close_open(files, std::move(open));
  }
}

// Those of one share, each behind whatever its user and others wait with. One that a request uses
// is waited for beside the others.
Task<void> end_in_turn(FileServices& files, std::vector<std::shared_ptr<Open>> opens,
                       DurableOpens durable, TaskScope& scope) {
  for (auto& open : opens) {
    if (open->is_used()) {
      scope.spawn(end_open(files, std::move(open), durable));
    } else {
      co_await files.take_turn(*open);
      co_await end_open(files, std::move(open), durable);
    }
  }
}

}  // namespace

Task<void> FileServices::end_opens(std::vector<std::shared_ptr<Open>> opens, DurableOpens durable) {
  std::unordered_map<const Share*, std::vector<std::shared_ptr<Open>>> by_share;
  for (auto& open : opens) {
    by_share[open->tree_connect->share.get()].push_back(std::move(open));
  }
  TaskScope scope;
  for (auto& [share, of_share] : by_share) {
    scope.spawn(end_in_turn(*this, std::move(of_share), durable, scope));
  }
  co_await scope.join();
}

namespace {

// A file with its streams: they are deleted together.
FileKey whole_file(FileKey key) {
  key.stream = 0;
  return key;
}

}  // namespace

std::shared_ptr<OneShot<bool>> FileServices::deletion_of(const FileKey& file) const {
  auto deletions = deletions_.lock();
  const auto found = deletions->find(whole_file(file));
  return found == deletions->end() ? nullptr : found->second;
}

std::shared_ptr<OneShot<bool>> FileServices::deletion_of(const FileKey& file, store::WorkerTag by) {
  if (auto gone = deletion_of(file)) return gone;
  auto gone = std::make_shared<OneShot<bool>>();
  // Nobody to ask: it was quick.
  if (!deletion_news_->watch(by, file, gone)) gone->set(true);
  return gone;
}

std::shared_ptr<const void> FileServices::announce_until(const FileKey& file,
                                                         std::shared_ptr<const void> held) {
  auto gone = std::make_shared<OneShot<bool>>();
  (*deletions_.lock())[whole_file(file)] = gone;
  const void* const pointer = held.get();
  return {pointer, [this, file = whole_file(file), gone, held = std::move(held)](auto) mutable {
            held.reset();
            end_deletion(file, gone);
          }};
}

void FileServices::purged(const filestate::OpenRef& ref, filestate::CloseDecision closed) {
  if (closed.delete_now) {
    closed.until_deleted = announce_until(closed.file, std::move(closed.until_deleted));
  }
  open_table.purge(ref, closed);
}

void FileServices::orphaned(filestate::OrphanedDeletion deletion) {
  auto& until_deleted = deletion.closed.until_deleted;
  until_deleted = announce_until(deletion.closed.file, std::move(until_deleted));
  spawn(delete_orphaned(*this, std::move(deletion)));
}

void FileServices::end_deletion(const FileKey& file, const std::shared_ptr<OneShot<bool>>& gone) {
  {
    auto deletions = deletions_.lock();
    // Another name of the file may be being deleted by now.
    const auto latest = deletions->find(file);
    if (latest != deletions->end() && latest->second == gone) deletions->erase(latest);
  }
  gone->set(true);
}

void FileServices::scavenge_opens() {
  for (PreservedOpen& open : open_table.claim_expired(clock.monotonic())) {
    log::debug("open {} expires", open.file_id.persistent);
    spawn(close_claimed(*this, std::move(open)));
  }
  arm_scavenger();
}

bool FileServices::is_recorded(const PreservedOpen& open) {
  return open.changes.durable_terms.durability == filestate::Durability::kPersistent &&
         open.share->persistent;
}

void FileServices::close_disconnected() {
  persistent->forget_sleepers();
  for (PreservedOpen& open : open_table.claim_expired(Clock::Instant::max())) {
    if (is_recorded(open)) {
      open_table.moved_away(std::move(open));
    } else {
      spawn(close_claimed(*this, std::move(open)));
    }
  }
}

void FileServices::arm_scavenger() {
  const auto deadline = open_table.next_deadline();
  if (!deadline) return;
  const auto delay = std::max<Clock::Instant::duration>(*deadline - clock.monotonic(), {});
  timers_.post([this, delay, held = std::weak_ptr(scavenger_)] {
    const auto scavenger = held.lock();
    if (!scavenger || scavenger->stopped) return;
    scavenger->timer.start(delay, [this, held] {
      const auto live = held.lock();
      if (live && !live->stopped) scavenge_opens();
    });
  });
}

Task<void> FileServices::take_turn(const Open& open) {
  WorkerPool::Seat seat(pool, work_of(open));
  (void)co_await seat.next_turn();
}

Task<void> FileServices::close_tree(std::shared_ptr<Session> session,
                                    std::shared_ptr<TreeConnect> tree) {
  // Those made through a previous version of the share, too: TreeConnect has one id for both.
  auto opens = session->opens_of(tree->tree_id);
  std::erase_if(opens, [&](const auto& open) { return !open->tree_connect->is_part_of(*tree); });
  co_await end_opens(std::move(opens), DurableOpens::kClosed);
}

}  // namespace braid::smb2
