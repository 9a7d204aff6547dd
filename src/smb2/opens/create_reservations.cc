#include "smb2/opens/create_reservations.h"

namespace braid::smb2 {

CreateReservations::Replay CreateReservations::find_or_reserve(const CreateKey& key) {
  opens_.wake_named(key);
  Replay replay;
  auto all = pending_.lock();
  if (const auto found = all->find(key); found != all->end()) {
    replay.pending = found->second;
    return replay;
  }
  // What the CREATE before has made is there since before its reservation ended.
  replay.made = opens_.find_replayable(key);
  if (replay.made.open || replay.made.disconnected) return replay;
  auto pending = std::make_shared<PendingCreate>();
  all->emplace(key, pending);
  replay.reservation = Reservation(*this, key, std::move(pending));
  return replay;
}

void CreateReservations::release(const CreateKey& key, const PendingCreate* pending) {
  std::shared_ptr<PendingCreate> over;
  {
    auto all = pending_.lock();
    const auto found = all->find(key);
    if (found == all->end() || found->second.get() != pending) return;
    over = std::move(found->second);
    all->erase(found);
  }
  over->over.set(true);
}

}  // namespace braid::smb2
