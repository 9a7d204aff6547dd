// FileTable with several workers: a file's node in this process and its record that all share.
#include <algorithm>

#include "base/log.h"
#include "filestate/elsewhere.h"
#include "filestate/file_table_impl.h"

namespace braid::filestate {

using HeldFile = FileTable::Impl::HeldFile;

void HeldFile::make_current() {
  record_.emplace(impl_.records->lock(record_key(file_)));
  if (record_->version() == 0) {
    if (!node()) return;
    unbind_all();
    return forget();
  }
  if (!node()) {
    auto made = std::make_unique<FileNode>(node_key(file_), 0, FileNode::Sharing::kSeveral);
    found_ = files_->nodes.emplace(node_key(file_), std::move(made)).first;
  }
  if (node()->version != record_->version() && !take_changes()) return forget();
  fetch_own();
  if (const uint64_t now = *impl_.roster_version; node()->roster_version != now) {
    node()->roster_version = now;
    drop_dead();
  }
}

bool HeldFile::take_changes() {
  FileNode& node = *this->node();
  std::vector<FileNode::PartValue> changed;
  record_->visit_parts(node.version, [&](uint32_t first, uint32_t end, ByteView value) {
    if (!value.empty()) return changed.emplace_back(first, value), void();
    node.parts->for_each(first, end, [&](uint32_t number) { changed.emplace_back(number, value); });
  });
  impl_.parts_read.fetch_add(changed.size(), std::memory_order_relaxed);
  const auto ended = node.take(record_->value(), changed);
  if (!ended) {
    // Records are written by this program and never half: this is a defect of it. The opens of
    // the file go on without knowing of each other.
    log::error("the record of file {}:{} is {}", file_.device, file_.inode,
               ended.error().message());
    return false;
  }
  // Leases of this worker's clients may have ended by what another worker did.
  for (const FileNode::EndedLease& each : *ended) {
    const FileState* const now = node.find(each.file);
    if (!now || !now->has_lease(each.lease)) impl_.keys.unbind(each.lease, each.file);
  }
  node.version = record_->version();
  node.roster_version = 0;
  changed_ = true;  // for finish() to see whether it is worth keeping
  return true;
}

bool HeldFile::write_changes(store::Urgency urgency) {
  static thread_local NodeChanges changes;
  FileNode& node = *this->node();
  node.encode_changes(changes);
  const bool is_changed =
      !changes.parts.empty() || !std::ranges::equal(changes.head, record_->value());
  if (is_changed && !record_->replace(changes.head, urgency, node.account, changes.parts)) {
    effects_ = {};
    node.roster_version = 0;  // as what dead workers left is there again
    // Back to what the record says. What an event did to it is what it touched.
    std::vector<FileNode::PartValue> before;
    for (const store::PartChange& part : changes.parts) {
      before.emplace_back(part.part, record_->part(part.part));
    }
    if (record_->version() == 0 || !node.take(record_->value(), before)) {
      forget();
    } else {
      keep_or_forget();
    }
    return false;
  }
  node.version = record_->version();
  if (is_changed) impl_.note_elsewhere(node);
  keep_or_forget();
  return true;
}

std::vector<store::WorkerTag> FileTable::Impl::others_of(
    const std::vector<store::WorkerTag>& workers) const {
  std::vector<store::WorkerTag> others;
  for (const store::WorkerTag each : workers) {
    if (each != own_tag() && group->is_alive(each)) others.push_back(each);
  }
  return others;
}

void FileTable::Impl::note_elsewhere(const FileNode& node) {
  if (node.promised_by.empty()) return;
  auto others = others_of(node.promised_by);
  if (others.empty()) return;
  noted_elsewhere.lock()->insert_or_assign(node.main.key(), std::move(others));
  has_noted_elsewhere.store(true, std::memory_order_release);
}

void HeldFile::keep_or_forget() {
  FileNode& node = *this->node();
  if (impl_.keeping == Keeping::kNothing) return forget();
  const size_t parts = node.parts->size();
  if (has_own()) {
    node.kept_parts = 0;
  } else if (parts <= KeptFiles::kSmall) {
    forget();
  } else if (parts > 2 * node.kept_parts) {
    node.kept_parts = parts;
    effects_.kept_parts = parts;
  }
}

std::vector<FileKey> KeptFiles::add(const FileKey& file, size_t parts) {
  std::vector<FileKey> forgotten;
  auto kept = kept_.lock();
  kept->files.emplace_back(file, parts);
  kept->parts += parts;
  while (kept->parts > kPartsMax) {
    forgotten.push_back(kept->files.front().first);
    kept->parts -= kept->files.front().second;
    kept->files.pop_front();
  }
  return forgotten;
}

void FileTable::Impl::keep(const FileKey& file, size_t parts) {
  for (const FileKey& old : kept.add(node_key(file), parts)) {
    auto files = shard_of(old).lock();
    const auto found = files->nodes.find(old);
    if (found != files->nodes.end() && found->second->kept_parts != 0) files->nodes.erase(found);
  }
}

void HeldFile::fetch_own() {
  if (node()->outbox.empty()) return;
  const auto is_own = [&](const Output& output) { return output.to == impl_.own_tag(); };
  for (auto& output : node()->take_outputs(is_own)) {
    effects_.own.push_back(std::move(*output));
    changed_ = true;
  }
}

// What a worker that died was deleting. Whoever was told that it is deleted said with which rights.
void HeldFile::adopt_deletions() {
  FileNode& node = *this->node();
  for (FileNode::Deletion& each : node.deleting) {
    if (each.why == FileNode::Deletion::Why::kReplaced || impl_.group->is_alive(each.by)) continue;
    const FileState& state = *node.find(each.file);
    const Link* const link = node.main.links().find(each.path ? *each.path : "");
    const bool is_link = each.file.stream == 0;
    const Deleters& deleters = is_link && link ? link->deleters : state.deleters();
    if (deleters.empty()) continue;
    each.by = impl_.own_tag();
    each.why = FileNode::Deletion::Why::kNewcomer;
    changed_ = true;
    CloseDecision closed{.delete_now = true, .file = each.file, .path = each.path};
    (is_link ? closed.link_deleters : closed.stream_deleters) = deleters;
    effects_.orphans.push_back({each.file, state.name(), std::move(closed)});
  }
}

// What the end of a dead worker's open leaves to delete.
void HeldFile::adopt(FileState& state, const CloseResult& left) {
  CloseDecision closed = Impl::close_decision(*node(), state, left, impl_.own_tag(),
                                              FileNode::Deletion::Why::kNewcomer);
  if (closed.delete_now) effects_.orphans.push_back({state.key(), state.name(), std::move(closed)});
}

// What a worker that died had open is closed, with the deletion that a close may bring; but for
// what its next life will have again.
void HeldFile::drop_dead() {
  FileNode& node = *this->node();
  const auto is_dead = [&](OpenToken token) {
    return !impl_.group->is_alive(store::WorkerTag::of(token.value));
  };
  const auto undeliverable =
      node.take_outputs([&](const Output& each) { return !impl_.group->is_alive(each.to); });
  if (!undeliverable.empty()) changed_ = true;
  adopt_deletions();
  std::erase_if(node.deleting, [&](const FileNode::Deletion& each) {
    if (impl_.group->is_alive(each.by)) return false;
    node.end(each);
    impl_.name_went();
    changed_ = true;
    return true;
  });
  if (!node.parts->any_holder(
          [&](store::WorkerTag holder) { return !impl_.group->is_alive(holder); })) {
    return end_orphaned_deletes();
  }
  node.for_each_state([&](FileState& state) {
    const auto is_kept = [&](OpenToken token) {
      const OpenRecord* const open = is_dead(token) ? state.find(token) : nullptr;
      return open && FileState::is_persistent(*open) &&
             impl_.keeps(store::WorkerTag::of(token.value));
    };
    const auto gone = [&](OpenToken token) { return is_dead(token) && !is_kept(token); };
    Outcome outcome;
    std::vector<CloseResult> left_to_delete;
    const bool is_any_gone = state.has_any(gone);
    if (is_any_gone) state.drop(gone, outcome, &left_to_delete);
    if (!state.keep_persistent(is_kept, outcome) && !is_any_gone) return;
    changed_ = true;
    for (const CloseResult& left : left_to_delete) adopt(state, left);
    for (const LeaseId& lease : state.take_ended_leases()) impl_.keys.unbind(lease, state.key());
    send(state, outcome);
  });
  end_orphaned_deletes();
}

// Nobody has it open, and nobody deletes it: whoever was to do that has died.
void HeldFile::end_orphaned_deletes() {
  FileNode& node = *this->node();
  bool is_open = false;
  node.for_each_state([&](FileState& state) { is_open = is_open || state.has_opens(); });
  if (is_open) return;
  for (const auto& stream : node.streams) {
    if (!node.is_deleting(stream->key())) stream->end_delete({});
  }
  node.main.links().remove_unless([&](const Link& link) {
    return std::ranges::any_of(node.deleting, [&](const FileNode::Deletion& each) {
      return each.file == node.main.key() && each.is_of(link.path);
    });
  });
}

void HeldFile::send(FileState& state, const Outcome& outcome) {
  const auto put = [&](OpenToken token, auto what) {
    const store::WorkerTag to = store::WorkerTag::of(token.value);
    if (to == impl_.own_tag()) {
      effects_.own.push_back({to, state.key(), std::move(what)});
      return true;
    }
    if (!impl_.group->is_alive(to)) return false;
    node()->put_out(to, state.key(), std::move(what));
    if (std::ranges::count(effects_.to_wake, to) == 0) effects_.to_wake.push_back(to);
    return true;
  };
  for (const Outcome::Purged& each : outcome.purged) {
    const CloseDecision decision = end_purged(state, each);
    put(each.open.token,
        PurgedOpen{each.open, decision.delete_now, decision.file, decision.stream_too,
                   decision.path, decision.link_deleters, decision.stream_deleters});
  }
  for (const Break& each : outcome.breaks) {
    if (put(each.holder, each) || !each.ack_required) continue;
    // Whoever held it died a moment ago.
    Outcome more;
    state.break_timed_out(each.id.serial, more);
    send(state, more);
  }
  for (const Completion& each : outcome.completions) put(each.token, each);
}

void HeldFile::forget() {
  files_->nodes.erase(found_);
  found_ = files_->nodes.end();
}

void HeldFile::unbind_all() {
  node()->for_each_state([&](FileState& state) {
    for (const LeaseId& lease : state.lease_ids()) impl_.keys.unbind(lease, state.key());
  });
}

bool HeldFile::has_own() {
  const store::WorkerTag own = impl_.own_tag();
  return node()->parts->any_holder([&](store::WorkerTag holder) { return holder == own; }) ||
         std::ranges::count(node()->deleting, own, &FileNode::Deletion::by) != 0;
}

void FileTable::Impl::look_at_all() {
  std::vector<FileKey> keys_here;
  for (Shard& shard : shards) {
    auto files = shard.lock();
    for (const auto& [key, node] : files->nodes) keys_here.push_back(key);
  }
  for (const FileKey& key : keys_here) look(key);
}

void FileTable::catch_up() { impl_->look_at_all(); }
void FileTable::catch_up(const FileKey& file) { impl_->look(file); }

void FileTable::Impl::tell(OrphanedDeletion deletion) {
  {
    auto all = orphans.lock();
    if (!all->are_handed_out) return all->kept.push_back(std::move(deletion));
  }
  deletion.closed.until_deleted = until_deleted(deletion.closed, deletion.of);
  sink.orphaned(deletion);
}

void FileTable::hand_out_orphans() {
  std::vector<OrphanedDeletion> kept;
  {
    auto all = impl_->orphans.lock();
    all->are_handed_out = true;
    kept = std::exchange(all->kept, {});
  }
  for (OrphanedDeletion& deletion : kept) impl_->tell(std::move(deletion));
}

bool is_here(store::Group* group, const FileKey& file) {
  return !group || !group->records().is_spread() || group->records().is_here(record_key(file));
}

void FileTable::attach() {
  store::Group* const group = impl_->group;
  if (!group) return;
  group->bus().handle(
      store::Topic::kRecords,
      [impl = impl_.get()](store::BusMessage& message) {
        if (message.payload.empty())
          return impl->look_at_all();  // a worker came, one may have gone
        wire::Reader r(message.payload);
        const uint64_t device = r.u64();
        const FileKey file{device, r.u64(), 0};
        if (r.ok()) impl->look(file);
      },
      [impl = impl_.get()] { impl->look_at_all(); });
  group->on_ended([impl = impl_.get()] { impl->look_at_all(); });
  // What an earlier life of this worker left and nobody has met since takes room.
  for (const FileKey& file : impl_->files_where([](std::string_view) { return true; })) {
    impl_->look(file);
  }
}

}  // namespace braid::filestate
