// FileState: an open written down, and had again after its server has ended.
// [MS-SMB2] 3.3.1.10 "Per Open", 3.3.1.12 "Per Lease".
#include <algorithm>
#include <memory>
#include <vector>

#include "filestate/file_state.h"
#include "filestate/open_image.h"

namespace braid::filestate {

std::optional<OpenImage> FileState::image_of(OpenToken token) const {
  const OpenRecord* const open = opens_.find(token);
  if (!open) return std::nullopt;
  OpenImage image;
  image.persistent_id = open->persistent_id;
  image.client = open->client;
  image.user = open->user;
  image.access = open->access;
  image.share = open->share;
  image.is_directory = open->is_directory;
  image.durability = open->durability;
  image.oplock = open->oplock;
  if (const Lease* const lease = open->lease) {
    image.lease = LeaseImage{.key = lease->id.key,
                             .state = lease->holder.state,
                             .version = lease->version,
                             .epoch = lease->epoch,
                             .parent_key = lease->parent_key};
  }
  const Link& link = *open->link;
  if (link.is_at_known_path()) image.path = link.path;
  image.is_sole_name = link.is_sole;
  image.of_name = {link.delete_pending, link.unlinks_by_posix, link.deleters};
  if (key_.stream != 0) image.of_stream = {.is_pending = delete_pending_, .deleters = deleters_};
  image.delete_on_close = open->delete_on_close;
  image.deletes_by_posix = open->deletes_by_posix;
  image.deleter = open->deleter;
  image.locks = locks_.locks_of(token).held;
  if (open->lock_sequences) image.lock_sequences = open->lock_sequences->numbers();
  return image;
}

bool FileState::restore(const OpenImage& image, OpenToken token, Account account) {
  if (opens_.find(token) || share_.conflicts(image.access, image.share)) return false;
  if (!image.locks.empty() &&
      locks_.lock(token, image.locks, account, ByteRangeLocks::Room::kHad) != NtStatus::kSuccess) {
    return false;
  }
  auto made = std::make_unique<OpenRecord>();
  made->token = token;
  made->persistent_id = image.persistent_id;
  made->client = image.client;
  made->user = image.user;
  made->account = account;
  made->access = image.access;
  made->share = image.share;
  made->is_directory = image.is_directory;
  made->delete_on_close = image.delete_on_close;
  made->deletes_by_posix = image.deletes_by_posix;
  made->deleter = image.deleter;
  made->durability = image.durability;
  made->disconnected = true;
  if (std::ranges::any_of(image.lock_sequences,
                          [](const auto& each) { return each.has_value(); })) {
    made->lock_sequences = std::make_unique<LockSequences>(image.lock_sequences);
  }
  restore_link(image, *made);
  OpenRecord& open = opens_.insert(std::move(made));
  if (parts_) open.part = parts_->add(&open, key_.stream, open.token);
  restore_caching(image, open);
  count_in(open);
  return true;
}

const OpenRecord* FileState::find_persistent(uint64_t persistent_id) const {
  const auto found = std::ranges::find(opens_, persistent_id,
                                       [](const auto& open) { return open->persistent_id; });
  return found == opens_.end() ? nullptr : found->get();
}

bool FileState::keep_persistent(const TokenTest& that, Outcome& out) {
  std::vector<OpenToken> kept;
  for (const auto& open : opens_) {
    if (is_persistent(*open) && !open->disconnected && that(open->token)) {
      kept.push_back(open->token);
    }
  }
  for (const OpenToken token : kept) {
    OpenRecord& open = *opens_.find(token);
    drop_waiting(open, out);
    open.disconnected = true;
    touch(open);
    list_disconnected(open);
    if (open.lease) open.lease->connected_opens--;
    // Its timer has died with the worker. Nothing is taken: who waits is told when it asks again.
    const OplockLevel level = open.oplock;
    Holder& holder = open.lease ? open.lease->holder : open.holder;
    if (holder.breaking) finish_break(holder, holder.state, out);
    open.oplock = level;
  }
  return !kept.empty();
}

void FileState::restore_link(const OpenImage& image, OpenRecord& open) {
  Link* link = links_->find(image.path ? std::string_view(*image.path) : "");
  if (!link) link = &links_->add(image.path, image.is_sole_name, open.account);
  if (image.of_name.is_pending) {
    link->delete_pending = true;
    link->unlinks_by_posix = image.of_name.by_posix;
    link->deleters = image.of_name.deleters;
  }
  links_->touch(*link);
  open.link = link;
  if (key_.stream == 0 || !image.of_stream.is_pending) return;
  delete_pending_ = true;
  deleters_ = image.of_stream.deleters;
  touch_head();
}

// What takes caching away is written down before it has effect, so images do not contradict each
// other. From a log that is damaged they may: then each has what can be held beside the others.
void FileState::restore_caching(const OpenImage& image, OpenRecord& open) {
  OpenRequest request;  // for a grant, as far as it looks at it
  request.is_directory = image.is_directory;
  if (image.lease) {
    const LeaseId id = lease_of(image);
    Lease* lease = leases_.find(id);
    if (!lease) {
      auto made = std::make_unique<Lease>();
      made->id = id;
      made->version = image.lease->version;
      made->epoch = image.lease->epoch;
      made->parent_key = image.lease->parent_key;
      made->account = open.account;
      lease = &leases_.insert(std::move(made));
      lease->holder.lease = lease;
      if (parts_) lease->part = parts_->add(lease, key_.stream);
      const Caching state = grantable(image.lease->state, request, true, nullptr);
      if (state != image.lease->state && lease->version == 2) lease->epoch++;
      set_state(lease->holder, state);
    }
    lease->last_open = open.token;
    touch(*lease);
    open.lease = lease;
    open.oplock = OplockLevel::kLease;
    return;
  }
  const Caching wanted = filestate::caching_of(image.oplock);
  open.holder.open = &open;
  const Caching state = grantable(wanted, request, false, nullptr);
  set_state(open.holder, state);
  if (has(state, Caching::kWrite)) open.oplock = image.oplock;
}

}  // namespace braid::filestate
