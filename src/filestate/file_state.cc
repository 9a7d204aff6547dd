// FileState: who waits, what is counted of the opens, and what is asked of them.
#include "filestate/file_state.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace braid::filestate {

FileState::FileState(const FileKey& key, uint64_t last_break_serial, PartTable* parts,
                     uint32_t head_part, Links* links)
    : key_(key),
      name_(key.stream),
      own_links_(parts),
      links_(links ? links : &own_links_),
      locks_(parts, key.stream),
      last_break_serial_(last_break_serial),
      parts_(parts),
      head_part_(head_part) {
  if (!parts_ || key.stream == 0) return;
  if (head_part_ == kNoPart) {
    head_part_ = parts_->add(StreamHead{}, key.stream);
  } else {
    parts_->put(head_part_, StreamHead{}, key.stream);
  }
}

void FileState::count_in(OpenRecord& open) {
  const bool is_data_open = (open.access & ~kStatAccessForOplocks) != 0;
  share_.add(open.access, open.share);
  open.link->opens++;
  if (is_data_open) data_opens_++;
  if (open.disconnected) list_disconnected(open);
  if (Lease* const lease = open.lease) {
    lease->opens++;
    if (is_data_open) lease->data_opens++;
    if (!open.disconnected) lease->connected_opens++;
  }
}

void FileState::count_out(OpenRecord& open) {
  const bool is_data_open = (open.access & ~kStatAccessForOplocks) != 0;
  share_.remove(open.access, open.share);
  open.link->opens--;
  if (is_data_open) data_opens_--;
  if (open.disconnected) unlist_disconnected(open);
  if (Lease* const lease = open.lease) {
    lease->opens--;
    if (is_data_open) lease->data_opens--;
    if (!open.disconnected) lease->connected_opens--;
  }
}

Decision FileState::wait(OpenToken token, Completion::Kind kind, Account account) {
  auto made = std::make_unique<Waiter>();
  made->token = token;
  made->kind = kind;
  made->account = account;
  made->order = ++last_wait_;
  Waiter& waiter = waiters_.insert(std::move(made));
  if (parts_) waiter.part = parts_->add(&waiter, key_.stream, token);
  return Decision::wait();
}

std::vector<std::unique_ptr<Waiter>> FileState::take_waiters(
    const std::function<bool(const Waiter&)>& is_meant) {
  std::vector<Waiter*> meant;
  for (const auto& waiter : waiters_) {
    if (is_meant(*waiter)) meant.push_back(waiter.get());
  }
  std::ranges::sort(meant, {}, &Waiter::order);
  std::vector<std::unique_ptr<Waiter>> taken;
  for (Waiter* const waiter : meant) {
    if (parts_) parts_->remove(waiter->part);
    taken.push_back(waiters_.take(*waiter));
  }
  return taken;
}

bool FileState::cancel_wait(OpenToken token) {
  return !take_waiters([&](const Waiter& waiter) {
            return waiter.token == token && !waiter.lock;
          }).empty();
}

void FileState::release_waiters(Outcome& out) {
  for (const auto& waiter : take_waiters([](const Waiter&) { return true; })) {
    if (!waiter->lock) {
      out.completions.push_back({.kind = waiter->kind, .token = waiter->token});
      continue;
    }
    const PendingLock& pending = *waiter->lock;
    const Decision decision = lock(waiter->token, pending.ranges, pending.fail_immediately,
                                   pending.id, pending.sequence, out);
    if (decision.verdict == Verdict::kWait) continue;
    out.completions.push_back({.kind = Completion::Kind::kLock,
                               .token = waiter->token,
                               .lock = pending.id,
                               .status = decision.status});
  }
}

void FileState::end_lock_wait(OpenToken token, LockId id, NtStatus status, Outcome& out) {
  out.completions.push_back(
      {.kind = Completion::Kind::kLock, .token = token, .lock = id, .status = status});
}

void FileState::drop_waiting(const OpenRecord& open, Outcome& out) {
  for (const ByteRangeLocks::Waiter& waiter : locks_.drop_waiting(open.token)) {
    end_lock_wait(open.token, waiter.id, NtStatus::kRangeNotLocked, out);
  }
  const auto is_of_open = [&](const Waiter& waiter) { return waiter.token == open.token; };
  for (const auto& waiter : take_waiters(is_of_open)) {
    if (waiter->lock) end_lock_wait(open.token, waiter->lock->id, NtStatus::kRangeNotLocked, out);
  }
}

NtStatus FileState::check_sharing(OpenToken token, uint32_t access) const {
  const OpenRecord* open = opens_.find(token);
  if (!open) return NtStatus::kFileClosed;
  ShareModes others = share_;
  others.remove(open->access, open->share);
  return others.denies(access) ? NtStatus::kSharingViolation : NtStatus::kSuccess;
}

bool FileState::is_open_beside(OpenToken token) const {
  return std::ranges::any_of(opens_, [&](const auto& open) { return open->token != token; });
}

bool FileState::is_open_with(uint32_t access) const { return share_.is_open_with(access); }

bool FileState::is_open_elsewhere(store::WorkerTag here) const {
  return std::ranges::any_of(
      opens_, [&](const auto& open) { return store::WorkerTag::of(open->token.value) != here; });
}

Caching FileState::caching_of(OpenToken token) const {
  const OpenRecord* open = opens_.find(token);
  if (!open) return Caching::kNone;
  return open->lease ? open->lease->holder.state : open->holder.state;
}

OpenDecision FileState::grant_of(OpenToken token) const {
  OpenDecision decision;
  const OpenRecord* open = opens_.find(token);
  if (!open) return decision;
  decision.oplock = open->oplock;
  if (open->lease) decision.lease = grant_of(*open->lease);
  return decision;
}

bool FileState::has_any(const TokenTest& is) const {
  return std::ranges::any_of(opens_, [&](const auto& open) { return is(open->token); }) ||
         std::ranges::any_of(waiters_, [&](const auto& waiter) { return is(waiter->token); });
}

std::vector<LeaseId> FileState::lease_ids() const {
  std::vector<LeaseId> ids;
  for (const auto& lease : leases_) ids.push_back(lease->id);
  return ids;
}

}  // namespace braid::filestate
