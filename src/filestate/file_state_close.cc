// FileState: the end of an open, what is deleted then, and names that change.
#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "filestate/file_state.h"

namespace braid::filestate {

// [MS-FSA] 2.1.5.5 "Server Requests Closing an Open".
CloseResult FileState::close(OpenToken token, Outcome& out) {
  OpenRecord* open = opens_.find(token);
  if (!open) return {};
  const bool deletes = open->delete_on_close && !is_planted(Defect::kDeleteOnCloseIgnored);
  Actor actor;
  if (open->lease) actor.lease = open->lease->id;
  const CloseResult left = remove(*open, out);
  if (deletes && !left.deletes()) {
    // As FileDispositionInformation, but for who waits: handles that came since, and that clients
    // only keep for themselves, would keep the file for as long. A disconnected one that was the
    // last deletes it.
    purge_holders(demand_of_delete(), actor, out);
    revoke(demand_of_delete(), actor, out);
  }
  return left;
}

CloseResult FileState::remove(OpenRecord& open, Outcome& out) {
  Link& link = *open.link;
  drop_waiting(open, out);
  locks_.unlock_all(open.token);
  complete_locks(out);
  if (open.delete_on_close && !is_planted(Defect::kDeleteOnCloseIgnored)) {
    mark_deleted(link, true, open.deleter);
    if (open.deletes_by_posix && key_.stream == 0) link.unlinks_by_posix = true;
  }
  const bool unlinks = link.delete_pending && link.unlinks_by_posix && open.deletes_by_posix;
  bool break_ended = open.holder.breaking;
  unlist(open.holder);
  count_out(open);
  if (Lease* lease = open.lease; lease && lease->opens == 0) {
    break_ended = lease->holder.breaking;
    unlist(lease->holder);
    ended_leases_.push_back(lease->id);
    if (parts_) parts_->remove(lease->part);
    leases_.take(*lease);
  }
  if (parts_) parts_->remove(open.part);
  opens_.take(open);
  if (break_ended) release_waiters(out);
  CloseResult left{.last_open = opens_.empty(),
                   .delete_stream = opens_.empty() && delete_pending_,
                   .delete_link = link.opens == 0 && link.is_deleted_by_last()};
  left.unlink = unlinks && link.opens != 0 && link.is_deleted_by_last();
  if (left.deletes() || left.unlink) {
    left.path = link.path;
    left.link_deleters = link.deleters;
    left.stream_deleters = deleters_;
  }
  // One that is to be deleted stays until that is done.
  if (link.opens == 0 && !left.delete_link && !link.is_being_unlinked) links_->remove(link);
  return left;
}

void FileState::drop(const TokenTest& is_gone, Outcome& out,
                     std::vector<CloseResult>* left_to_delete) {
  // Waits first: what ends below must not wake the dead.
  take_waiters([&](const Waiter& waiter) { return is_gone(waiter.token); });
  std::vector<OpenToken> gone;
  for (const auto& open : opens_) {
    if (is_gone(open->token)) gone.push_back(open->token);
  }
  for (const OpenToken token : gone) {
    CloseResult left = remove(*opens_.find(token), out);
    // Nobody said with whose rights.
    const bool is_nobodys = (left.delete_stream && left.stream_deleters.empty()) ||
                            ((left.delete_link || left.unlink) && left.link_deleters.empty());
    if (left_to_delete && !is_nobodys && (left.deletes() || left.unlink)) {
      left_to_delete->push_back(std::move(left));
    } else if (left.delete_link) {
      links_->remove(*links_->find(left.path ? *left.path : ""));
    }
  }
}

void FileState::mark_deleted(Link& link, bool deleted, const Deleter& deleter) {
  const bool is_stream = key_.stream != 0;
  bool& is_pending = is_stream ? delete_pending_ : link.delete_pending;
  Deleters& by = is_stream ? deleters_ : link.deleters;
  // Each had the right to, and was told so.
  deleted ? by.add(deleter) : by.clear();
  is_pending = deleted;
  is_stream ? touch_head() : links_->touch(link);
}

bool FileState::is_delete_pending(OpenToken token) const {
  const OpenRecord* const open = opens_.find(token);
  return open && (delete_pending_ || open->link->delete_pending);
}

// [MS-FSA] 2.1.5.15.3 "FileDispositionInformation".
Decision FileState::set_delete_pending(OpenToken token, bool delete_pending,
                                       DeleteSemantics semantics, Outcome& out,
                                       const Deleter& deleter) {
  OpenRecord* open = opens_.find(token);
  if (!open) return Decision::fail(NtStatus::kFileClosed);
  if (delete_pending) {
    const Actor actor = actor_of(*open);
    purge_holders(demand_of_delete(), actor, out);
    if (revoke(demand_of_delete(), actor, out)) {
      return wait(token, Completion::Kind::kRetryOperation, open->account);
    }
  }
  mark_deleted(*open->link, delete_pending, deleter);
  if (is_planted(Defect::kPendingForAllLinks)) {
    links_->for_each(
        [&](const Link& link) { const_cast<Link&>(link).delete_pending = delete_pending; });
  }
  const bool by_posix = delete_pending && semantics == DeleteSemantics::kPosix && key_.stream == 0;
  if (key_.stream == 0) open->link->unlinks_by_posix = by_posix;
  if (by_posix || !open->delete_on_close) open->deletes_by_posix = by_posix;
  touch(*open);
  return Decision::go();
}

// [MS-FSCC] 2.4.12 "FileDispositionInformationEx", FILE_DISPOSITION_ON_CLOSE.
Decision FileState::set_delete_on_close(OpenToken token, bool delete_on_close,
                                        DeleteSemantics semantics) {
  OpenRecord* open = opens_.find(token);
  if (!open) return Decision::fail(NtStatus::kFileClosed);
  if (!open->delete_on_close) return Decision::fail(NtStatus::kNotSupported);
  open->delete_on_close = delete_on_close;
  open->deletes_by_posix = delete_on_close && semantics == DeleteSemantics::kPosix;
  touch(*open);
  return Decision::go();
}

void FileState::end_delete(std::string_view path) {
  if (key_.stream != 0) {
    delete_pending_ = false;
    deleters_.clear();
    touch_head();
  } else if (Link* const link = links_->find(path); link && link->opens == 0) {
    links_->remove(*link);
  } else if (link && link->is_being_unlinked) {
    links_->set_removed(path);
  }
}

void FileState::keep_name(std::string_view path) {
  if (key_.stream != 0) return end_delete(path);
  Link* const link = links_->find(path);
  if (!link) return;
  if (link->opens == 0) return links_->remove(*link);
  link->delete_pending = link->unlinks_by_posix = link->is_being_unlinked = false;
  link->deleters.clear();
  links_->touch(*link);
}

void FileState::renamed(OpenToken token, SharedPath path,
                        std::span<const std::unique_ptr<FileState>> streams, FileState* main) {
  const OpenRecord* const open = opens_.find(token);
  if (!open || is_planted(Defect::kRenameIsForgotten)) return;
  Link& link = *open->link;
  Link* const there = links_->find(*path);
  if (there == &link) return;
  if (there) {
    // Another name of the file was there, and it is one name now.
    take_links(*there, link);
    if (main) main->take_links(*there, link);
    for (const auto& stream : streams) stream->take_links(*there, link);
    links_->remove(*there);
  }
  link.is_removed = false;
  links_->set_path(link, std::move(path));
}

void FileState::take_links(Link& from, Link& to) {
  for (const auto& open : opens_) {
    if (open->link != &from) continue;
    open->link = &to;
    from.opens--;
    to.opens++;
    touch(*open);
  }
}

}  // namespace braid::filestate
