#include "filestate/file_table_impl.h"

#include <algorithm>

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
  node->second->path = nullptr;
  Nodes::node_type removed = nodes.extract(node);
  if (spares.size() < kSparesMax) spares.push_back(std::move(removed));
}

FileTable::Impl::Access::Access(Impl& impl, const FileKey& file, Effects& effects)
    : impl_(impl),
      file_(file),
      effects_(effects),
      files_(impl.shard_of(file).lock()),
      found_(files_->nodes.find(node_key(file))) {
  if (impl_.group) make_current();
}

FileState& FileTable::Impl::Access::open_state() {
  if (record_ && !node()) {
    // Above every serial of the file's earlier lives: each was a record with a smaller version.
    files_->last_serial = std::max(files_->last_serial, record_->next_version() << 20);
  }
  if (!node()) {
    found_ = files_->add(node_key(file_),
                         record_ ? FileNode::Sharing::kSeveral : FileNode::Sharing::kOneWorker);
  }
  return node()->find_or_add(file_, files_->last_serial);
}

void FileTable::Impl::Access::settle(FileState& state) {
  FileNode& node = *this->node();
  for (const LeaseId& lease : state.take_ended_leases()) impl_.keys.unbind(lease, state.key());
  const Outcome& outcome = effects_.outcome;
  effects_.closed.resize(outcome.purged.size());
  if (!effects_.closed.empty() && !state.has_opens()) {
    effects_.closed.back() = impl_.close_decision(
        node, state, {.last_open = true, .delete_now = state.is_delete_pending()},
        store::WorkerTag::of(outcome.purged.back().token.value));
    if (effects_.closed.back().delete_now) node.deleting.back().is_for_newcomer = true;
  }
  if (record_) publish_outcome(state);
}

bool FileTable::Impl::Access::finish(bool changed, store::Urgency urgency) {
  if (!node()) return true;
  if (changed || changed_) {
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
                                              CloseResult result, store::WorkerTag by) {
  if (!result.last_open) return {};
  const bool others_open = (state.key().stream != 0 && node.main.has_opens()) ||
                           std::ranges::any_of(node.streams, [&](const auto& stream) {
                             return stream.get() != &state && stream->has_opens();
                           });
  FileKey deleted = state.key();
  if (node.main.is_delete_pending()) {
    if (others_open) return {};
    deleted = node.main.key();
  } else if (!result.delete_now) {
    return {};
  }
  node.deleting.push_back({deleted, by});
  return {.delete_now = true, .file = deleted, .path = node.path, .until_deleted = nullptr};
}

void FileTable::Impl::end_delete(const FileKey& file) {
  Effects effects;
  {
    Access access(*this, file, effects);
    FileNode* const node = access.node();
    if (node && node->find(file)) {
      node->find(file)->end_delete();
      std::erase_if(node->deleting, [&](const FileNode::Deletion& each) {
        return each.file == file && each.by == own_tag();
      });
      // As the last of a stream of it may have been, too.
      access.finish(true, store::Urgency::kMustNotFail);
    }
  }
  tell(file, effects);
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
  const Outcome& outcome = effects.outcome;
  for (size_t i = 0; i < outcome.purged.size(); ++i) {
    if (effects.closed[i].delete_now) {
      effects.closed[i].until_deleted = until_deleted(effects.closed[i].file);
    }
    sink.purged(outcome.purged[i], effects.closed[i]);
  }
  for (const Break& notification : outcome.breaks) sink.send_break(notification);
  for (const Completion& completion : outcome.completions) sink.completed(file, completion);
  for (Output& output : effects.own) {
    if (const auto* notification = std::get_if<Break>(&output.what)) {
      sink.send_break(*notification);
    } else if (const auto* completion = std::get_if<Completion>(&output.what)) {
      sink.completed(output.file, *completion);
    } else {
      auto& purged = std::get<PurgedOpen>(output.what);
      sink.purged(purged.open,
                  {.delete_now = purged.delete_now,
                   .file = purged.file,
                   .path = purged.path,
                   .until_deleted = purged.delete_now ? until_deleted(purged.file) : nullptr});
    }
  }
}

std::vector<FileKey> FileTable::Impl::files_where(const std::function<bool(std::string_view)>& is) {
  std::vector<FileKey> found;
  if (group) {
    group->records().for_each([&](const store::RecordKey& key, ByteView record) {
      if (key.kind != store::RecordKind::kFile) return;
      if (is(FileNode::path_in(record))) found.push_back({key.a, key.b, 0});
    });
    return found;
  }
  for (Shard& shard : shards) {
    auto files = shard.lock();
    for (const auto& [key, node] : files->nodes) {
      if (node->path && is(*node->path)) found.push_back(key);
    }
  }
  return found;
}

}  // namespace braid::filestate
