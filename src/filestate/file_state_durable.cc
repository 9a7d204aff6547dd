// FileState: opens that outlive their connection, and those that make way for others.
#include <algorithm>
#include <utility>
#include <vector>

#include "filestate/file_state.h"

namespace braid::filestate {

// [MS-SMB2] 3.3.5.9.6 and 3.3.5.9.10: durable only with a batch oplock or handle caching.
bool FileState::set_durability(OpenToken token, Durability durability) {
  OpenRecord* open = opens_.find(token);
  if (!open) return false;
  if (durability == Durability::kDurable && !has(caching_of(token), Caching::kHandle)) return false;
  open->durability = durability;
  touch(*open);
  return true;
}

// [MS-SMB2] 3.3.7.1 "Handling Loss of a Connection": kept if persistent or resilient, or durable
// with its batch oplock or handle caching lease still held.
bool FileState::disconnect(OpenToken token, Outcome& out) {
  OpenRecord* open = opens_.find(token);
  if (!open || open->disconnected || open->durability == Durability::kNone) return false;
  const Holder& holder = open->lease ? open->lease->holder : open->holder;
  if (open->durability == Durability::kDurable &&
      (holder.breaking || !has(holder.state, Caching::kHandle))) {
    return false;
  }
  drop_waiting(*open, out);
  open->disconnected = true;
  touch(*open);
  list_disconnected(*open);
  if (open->lease) open->lease->connected_opens--;
  return true;
}

bool FileState::reconnect(OpenToken token, SessionId session, Outcome& out) {
  OpenRecord* open = opens_.find(token);
  if (!open || !open->disconnected) return false;
  open->disconnected = false;
  open->session = session;
  touch(*open);
  if (open->lock_sequences) open->lock_sequences->forget_channels();
  unlist_disconnected(*open);
  if (open->lease) open->lease->connected_opens++;
  pay(open->lease ? open->lease->holder : open->holder, out);
  return true;
}

void FileState::rename_open(OpenToken token, OpenToken as) {
  OpenRecord* const open = opens_.find(token);
  locks_.change_owner(token, as);
  if (parts_) parts_->remove(open->part);
  auto record = opens_.take(*open);
  record->token = as;
  OpenRecord& renamed = opens_.insert(std::move(record));
  if (parts_) renamed.part = parts_->add(&renamed, key_.stream, as);
  if (Lease* const lease = renamed.lease; lease && lease->last_open == token) {
    lease->last_open = as;
    touch(*lease);
  }
}

bool FileState::take_over(OpenToken token, OpenToken as, SessionId session, Outcome& out) {
  OpenRecord* open = opens_.find(token);
  const bool moves = parts_ && store::WorkerTag::of(token.value) != store::WorkerTag::of(as.value);
  if (!open || !open->disconnected || (open->lease && moves)) return false;
  rename_open(token, as);
  return reconnect(as, session, out);
}

void FileState::list_disconnected(OpenRecord& open) {
  open.disconnected_slot = disconnected_.size();
  disconnected_.push_back(&open);
}

void FileState::unlist_disconnected(OpenRecord& open) {
  disconnected_[open.disconnected_slot] = disconnected_.back();
  disconnected_[open.disconnected_slot]->disconnected_slot = open.disconnected_slot;
  disconnected_.pop_back();
}

// Without handle caching its client has nothing that it could give up for anybody. A directory has
// lost that with its server, and is in nobody's way for it.
bool FileState::keeps_out_all() const {
  return std::ranges::any_of(disconnected_, [](const OpenRecord* open) {
    return is_persistent(*open) && !open->is_directory && !has(held_by(*open), Caching::kHandle);
  });
}

// With all caching: another client's open waits for the break that ends that.
bool FileState::keeps_waiting(const OpenRecord& open, const OpenRequest& request) {
  return is_persistent(open) && held_by(open) == Caching::kReadWriteHandle &&
         open.client != request.client_guid;
}

// 3.3.2.4 keeps resilient opens against newcomers: those meet a sharing violation, or a break that
// nobody is there to answer.
bool FileState::purge_sharers(const OpenRequest& request, Outcome& out) {
  std::vector<OpenToken> in_the_way;
  for (const OpenRecord* const open : disconnected_) {
    if (open->durability == Durability::kResilient) continue;
    ShareModes alone;
    alone.add(open->access, open->share);
    const uint32_t wanted = request.granted_access | request.needed_access;
    if (!alone.conflicts(wanted, request.share_access)) continue;
    if (keeps_waiting(*open, request)) continue;
    if (open->durability == Durability::kPersistent) return false;
    in_the_way.push_back(open->token);
  }
  purge(std::move(in_the_way), out);
  return true;
}

// A break that nobody is there to receive: [MS-SMB2] 3.3.4.6 and 3.3.4.7 close the open.
bool FileState::purge_holders(const Demand& demand, const Actor& actor, Outcome& out,
                              const OpenRequest* request) {
  std::vector<OpenToken> in_the_way;
  for (const OpenRecord* const open : disconnected_) {
    if (open->durability == Durability::kResilient) continue;
    const Holder& holder = open->lease ? open->lease->holder : open->holder;
    const Caching trigger = open->lease ? demand.from_leases : demand.oplocks_with;
    if (open->lease && open->lease->connected_opens != 0) continue;
    if (!any(holder.state & trigger) || spares(holder, demand, actor)) continue;
    if (request && keeps_waiting(*open, *request)) continue;
    if (open->durability == Durability::kPersistent) return false;
    in_the_way.push_back(open->token);
  }
  purge(std::move(in_the_way), out);
  return true;
}

void FileState::purge(std::vector<OpenToken> tokens, Outcome& out) {
  std::ranges::sort(tokens);  // the oldest first, whatever the order of the set
  for (const OpenToken token : tokens) {
    CloseResult left = remove(*opens_.find(token), out);
    out.purged.push_back({{key_, token}, std::move(left)});
  }
}

}  // namespace braid::filestate
