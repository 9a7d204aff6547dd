#include "filestate/file_table_impl.h"

#include <algorithm>
#include <utility>

namespace braid::filestate {

Files::Nodes::iterator Files::add(const FileKey& file, FileNode::Sharing sharing) {
  if (spares.empty()) {
    return nodes.emplace(file, std::make_unique<FileNode>(file, last_serial, sharing)).first;
  }
  Nodes::node_type node = std::move(spares.back());
  spares.pop_back();
  node.key() = file;
  node.mapped()->main.reuse_for(file, last_serial);
  return nodes.insert(std::move(node)).position;
}

void Files::drop_idle_streams(FileNode& node) {
  std::erase_if(node.streams, [&](const auto& stream) {
    if (stream->has_opens() || node.is_deleting(stream->key())) return false;
    last_serial = std::max(last_serial, stream->last_break_serial());
    stream->remove_parts();
    return true;
  });
}

void Files::remove(Nodes::iterator node) {
  last_serial = std::max(last_serial, node->second->main.last_break_serial());
  node->second->main.links().clear();
  node->second->is_noted = false;
  node->second->promised_by.clear();
  Nodes::node_type removed = nodes.extract(node);
  if (spares.size() < kSparesMax) spares.push_back(std::move(removed));
}

FileTable::Impl::HeldFile::HeldFile(Impl& impl, const FileKey& file, Effects& effects)
    : impl_(impl.having(file)),
      file_(file),
      effects_(effects),
      files_(impl.shard_of(file).lock()),
      found_(files_->nodes.find(node_key(file))) {
  if (impl_.group) make_current();
}

FileState& FileTable::Impl::HeldFile::open_state() {
  if (record_ && !node()) {
    // Above every serial of the file's earlier lives: each was a record with a smaller version.
    files_->last_serial = std::max(files_->last_serial, record_->next_version() << 20);
  }
  if (!node()) {
    found_ = files_->add(node_key(file_),
                         record_ ? FileNode::Sharing::kSeveral : FileNode::Sharing::kOneWorker);
  }
  return node()->find_or_add_called(file_, files_->last_serial);
}

void FileTable::Impl::HeldFile::settle(FileState& state) {
  for (const LeaseId& lease : state.take_ended_leases()) impl_.keys.unbind(lease, state.key());
  if (record_) return send(state, std::exchange(effects_.outcome, {}));
  for (const Outcome::Purged& each : effects_.outcome.purged) {
    effects_.closed.push_back(end_purged(state, each));
  }
}

// What the end of an open that made way leaves to delete, for its worker.
CloseDecision FileTable::Impl::HeldFile::end_purged(FileState& state,
                                                    const Outcome::Purged& purged) {
  return close_decision(*node(), state, purged.left, impl_.worker_of(purged.open.token),
                        FileNode::Deletion::Why::kNewcomer);
}

bool FileTable::Impl::HeldFile::finish(bool changed, store::Urgency urgency) {
  const bool is_committed = commit(changed, urgency);
  if (record_ && node()) node()->changes_seen = impl_.records->changes(record_->key());
  return is_committed;
}

bool FileTable::Impl::HeldFile::commit(bool changed, store::Urgency urgency) {
  if (!node()) return true;
  if (changed || changed_) {
    if (node()->is_noted) impl_.note(node()->main.key());
    if (file_.stream != 0 || record_) files_->drop_idle_streams(*node());
    if (node()->is_idle()) {
      if (record_) {
        record_->replace({}, urgency);
        forget();
      } else {
        files_->remove(found_);
      }
      return true;
    }
  }
  if (!record_ || !(changed || changed_)) return true;
  return write_changes(urgency);
}

CloseDecision FileTable::Impl::close_decision(FileNode& node, const FileState& state,
                                              const CloseResult& result, store::WorkerTag by,
                                              FileNode::Deletion::Why why) {
  if (result.unlink &&
      std::ranges::none_of(node.streams, [](const auto& stream) { return stream->has_opens(); })) {
    Link* const link = node.main.links().find(result.path ? *result.path : "");
    link->is_being_unlinked = true;
    node.main.links().touch(*link);
    node.deleting.push_back({node.main.key(), result.path, by, why});
    return {.delete_now = true,
            .file = node.main.key(),
            .path = result.path,
            .link_deleters = result.link_deleters,
            .until_deleted = nullptr};
  }
  if (!result.deletes()) return {};
  if (result.delete_stream) {
    node.deleting.push_back({state.key(), result.path, by, why});
  }
  if (result.delete_link) {
    node.deleting.push_back({node.main.key(), result.path, by, why});
  }
  return {.delete_now = true,
          .file = result.delete_link ? node.main.key() : state.key(),
          .stream_too = result.delete_link && result.delete_stream,
          .path = result.path,
          .link_deleters = result.link_deleters,
          .stream_deleters = result.stream_deleters,
          .until_deleted = nullptr};
}

void FileTable::Impl::end_delete(const FileKey& file, const SharedPath& path, Removed removed) {
  name_went();  // before those come in who were kept out until now
  Effects effects;
  {
    HeldFile held(*this, file, effects);
    FileNode* const node = held.node();
    if (node && node->find(file)) {
      std::erase_if(node->deleting, [&](const FileNode::Deletion& each) {
        if (each.file != file || each.by != own_tag() || !each.is_of(path)) return false;
        if (each.why == FileNode::Deletion::Why::kReplaced) return false;
        node->end(each, removed == Removed::kYes);
        return true;
      });
      // As the last of a stream of it may have been, too.
      held.finish(true, store::Urgency::kMustNotFail);
    }
  }
  tell(file, effects);
}

void FileTable::Impl::note(const FileKey& file) {
  noted.lock()->insert(file);
  has_noted.store(true, std::memory_order_release);
}

void FileTable::Impl::tell(const FileKey& file, Effects& effects) {
  if (effects.kept_parts != 0) keep(file, effects.kept_parts);
  for (const store::WorkerTag worker : effects.to_wake) {
    Bytes bytes;
    wire::Writer w(bytes);
    w.u64(file.device);
    w.u64(file.inode);
    group->bus().send(worker.index(), store::Topic::kRecords, bytes);
  }
  Outcome& outcome = effects.outcome;
  for (size_t i = 0; i < outcome.purged.size(); ++i) {
    if (effects.closed[i].delete_now) {
      effects.closed[i].until_deleted =
          until_deleted(effects.closed[i], outcome.purged[i].open.file);
    }
    sink.purged(outcome.purged[i].open, effects.closed[i]);
  }
  // What another worker's event has left for opens of this one is told like its own.
  for (Output& output : effects.own) {
    if (const auto* notification = std::get_if<Break>(&output.what)) {
      outcome.breaks.push_back(*notification);
    }
  }
  for (OrphanedDeletion& deletion : effects.orphans) tell(std::move(deletion));
  if (!outcome.breaks.empty()) sink.send_breaks(std::move(outcome.breaks));
  for (const Completion& completion : outcome.completions) sink.completed(file, completion);
  for (Output& output : effects.own) {
    if (std::holds_alternative<Break>(output.what)) continue;
    if (const auto* completion = std::get_if<Completion>(&output.what)) {
      sink.completed(output.file, *completion);
    } else {
      auto& purged = std::get<PurgedOpen>(output.what);
      CloseDecision closed{.delete_now = purged.delete_now,
                           .file = purged.file,
                           .stream_too = purged.stream_too,
                           .path = purged.path,
                           .link_deleters = purged.link_deleters,
                           .stream_deleters = purged.stream_deleters};
      if (closed.delete_now) closed.until_deleted = until_deleted(closed, purged.open.file);
      sink.purged(purged.open, closed);
    }
  }
}

std::vector<FileKey> FileTable::Impl::files_where(const std::function<bool(std::string_view)>& is) {
  std::vector<FileKey> found;
  if (group) {
    records->for_each([&](const store::RecordKey& key, ByteView record) {
      if (key.kind != store::RecordKind::kFile) return;
      if (FileNode::may_have_path(record, is)) found.push_back({key.a, key.b, 0});
    });
    return found;
  }
  for (Shard& shard : shards) {
    auto files = shard.lock();
    for (const auto& [key, node] : files->nodes) {
      bool is_meant = false;
      node->main.links().for_each([&](const Link& link) {
        is_meant = is_meant || (link.is_at_known_path() && is(*link.path));
      });
      if (is_meant) found.push_back(key);
    }
  }
  return found;
}

}  // namespace braid::filestate
