// FileTable with several workers: a file's node in this process and its record that all share.
#include <algorithm>

#include "base/log.h"
#include "filestate/file_table_impl.h"

namespace braid::filestate {

using Access = FileTable::Impl::Access;

void Access::make_current() {
  record_.emplace(
      impl_.group->records().lock({store::RecordKind::kFile, file_.device, file_.inode, 0}));
  if (record_->version() == 0) {
    if (!node()) return;
    unbind_all();
    return forget();
  }
  if (!node() || node()->version != record_->version()) {
    auto decoded = FileNode::decode(node_key(file_), record_->value());
    if (!decoded) {
      // Records are written by this program and never half: this is a defect of it. The opens of
      // the file go on without knowing of each other.
      log::error("the record of file {}:{} is {}", file_.device, file_.inode,
                 decoded.error().message());
      if (node()) forget();
      return;
    }
    if (node()) {
      // Leases of this worker's clients may have ended by what another worker did.
      node()->for_each_state([&](FileState& old) {
        const FileState* const now = (*decoded)->find(old.key());
        for (const LeaseId& lease : old.lease_ids()) {
          if (!now || !now->has_lease(lease)) impl_.keys.unbind(lease, old.key());
        }
      });
      found_->second = std::move(*decoded);
    } else {
      found_ = files_->nodes.emplace(node_key(file_), std::move(*decoded)).first;
    }
    node()->version = record_->version();
    node()->roster_version = 0;
    changed_ = true;  // for finish() to see whether it is worth keeping
  }
  fetch_own();
  if (const uint64_t now = impl_.group->roster_version(); node()->roster_version != now) {
    node()->roster_version = now;
    drop_dead();
  }
}

void Access::fetch_own() {
  std::vector<Output>& outbox = node()->outbox;
  if (outbox.empty()) return;
  std::erase_if(outbox, [&](Output& output) {
    if (output.to != impl_.own_tag()) return false;
    effects_.own.push_back(std::move(output));
    changed_ = true;
    return true;
  });
}

// What a worker that died had open is closed, without the deletion that a close may bring: nobody
// is left to make it with the user's rights.
void Access::drop_dead() {
  FileNode& node = *this->node();
  const auto gone = [&](OpenToken token) { return is_gone(token); };
  std::erase_if(node.outbox, [&](const Output& each) {
    if (impl_.group->is_alive(each.to)) return false;
    changed_ = true;
    return true;
  });
  std::erase_if(node.deleting, [&](const FileNode::Deletion& each) {
    if (impl_.group->is_alive(each.by)) return false;
    node.find(each.file)->end_delete();
    changed_ = true;
    return true;
  });
  node.for_each_state([&](FileState& state) {
    if (!state.has_any(gone)) return;
    changed_ = true;
    Outcome outcome;
    state.drop(gone, outcome);
    for (const LeaseId& lease : state.take_ended_leases()) impl_.keys.unbind(lease, state.key());
    send(state, outcome, {});
  });
  bool is_open = false;
  node.for_each_state([&](FileState& state) { is_open = is_open || state.has_opens(); });
  if (is_open) return;
  node.for_each_state([&](FileState& state) {
    if (!node.is_deleting(state.key())) state.end_delete();
  });
}

void Access::publish_outcome(FileState& state) {
  if (effects_.outcome.empty()) return;
  const Outcome outcome = std::exchange(effects_.outcome, {});
  const auto closed = std::exchange(effects_.closed, {});
  send(state, outcome, closed);
}

void Access::send(FileState& state, const Outcome& outcome,
                  const std::vector<CloseDecision>& closed) {
  const auto put = [&](OpenToken token, auto what) {
    const store::WorkerTag to = store::WorkerTag::of(token.value);
    if (to == impl_.own_tag()) {
      effects_.own.push_back({to, state.key(), std::move(what)});
      return true;
    }
    if (!impl_.group->is_alive(to)) return false;
    node()->outbox.push_back({to, state.key(), std::move(what)});
    changed_ = true;
    if (std::ranges::count(effects_.to_wake, to) == 0) effects_.to_wake.push_back(to);
    return true;
  };
  for (size_t i = 0; i < outcome.purged.size(); ++i) {
    const CloseDecision decision = i < closed.size() ? closed[i] : CloseDecision{};
    put(outcome.purged[i].token,
        PurgedOpen{outcome.purged[i], decision.delete_now, decision.file, decision.path});
  }
  for (const Break& each : outcome.breaks) {
    if (put(each.holder, each) || !each.ack_required) continue;
    // Whoever held it died a moment ago.
    Outcome more;
    state.break_timed_out(each.id.serial, more);
    send(state, more, {});
  }
  for (const Completion& each : outcome.completions) put(each.token, each);
}

void Access::forget() {
  files_->nodes.erase(found_);
  found_ = files_->nodes.end();
}

void Access::unbind_all() {
  node()->for_each_state([&](FileState& state) {
    for (const LeaseId& lease : state.lease_ids()) impl_.keys.unbind(lease, state.key());
  });
}

bool Access::has_own() {
  const auto own = [&](OpenToken token) {
    return store::WorkerTag::of(token.value) == impl_.own_tag();
  };
  bool has = false;
  node()->for_each_state([&](FileState& state) { has = has || state.has_any(own); });
  return has || std::ranges::count(node()->deleting, impl_.own_tag(), &FileNode::Deletion::by) != 0;
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

void FileTable::attach() {
  store::WorkerGroup* const group = impl_->group;
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
