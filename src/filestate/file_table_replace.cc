// FileTable: a name that a rename or a link is about to take from its file.
#include <algorithm>

#include "filestate/file_table_impl.h"

namespace braid::filestate {

ReplaceDecision FileTable::begin_replace(const FileKey& target, std::string_view path,
                                         const OpenRef& ref, DeleteSemantics semantics) {
  if (const auto maker = impl_->maker_of(path)) {
    return {.decision = Decision::fail(NtStatus::kDeletePending),
            .taken_by = maker,
            .waits_for = key_of_name(path)};
  }
  const auto keys =
      impl_->ask(node_key(target), std::vector<FileKey>{}, [](FileNode& node, const FileState&) {
        std::vector<FileKey> open;
        node.for_each_state([&](FileState& state) {
          if (state.has_opens()) open.push_back(state.key());
        });
        return open;
      });
  bool waits = false;
  for (const FileKey& key : keys) {
    const Decision one =
        impl_->with_room(key, Decision::go(), Decision::fail(NtStatus::kInsufficientResources),
                         [&](FileNode&, FileState& state, Outcome& outcome) {
                           return state.take_all(ref.token, outcome);
                         });
    if (one.verdict == Verdict::kFail) return {one};
    waits = waits || one.verdict == Verdict::kWait;
  }
  if (waits) return {Decision::wait()};

  Effects effects;
  ReplaceDecision replace;
  {
    Impl::Access access(*impl_, node_key(target), effects);
    FileState& main = access.open_state();
    FileNode& node = *access.node();
    bool stream_open = false;
    for (const auto& stream : node.streams) stream_open = stream_open || stream->has_opens();
    const bool is_posix = semantics == DeleteSemantics::kPosix;
    const Link* const link = main.links().find(path);
    if ((link && link->delete_pending) || node.is_being_replaced()) {
      replace.decision = Decision::fail(NtStatus::kDeletePending);
    } else if (stream_open || (is_posix ? main.denies(kDelete) : main.has_opens())) {
      replace.decision = Decision::fail(NtStatus::kAccessDenied);
    } else {
      node.deleting.push_back(
          {node_key(target), nullptr, impl_->own_tag(), FileNode::Deletion::Why::kReplaced});
    }
    if (!access.finish(true, store::Urgency::kOrdinary)) {
      replace.decision = Decision::fail(NtStatus::kInsufficientResources);
    }
  }
  impl_->tell(target, effects);
  if (replace.decision.verdict == Verdict::kGo) {
    replace.until_replaced = impl_->until_replaced(node_key(target));
  }
  return replace;
}

ReplaceDecision FileTable::begin_stream_rename(const OpenRef& ref, const FileKey& name) {
  Effects effects;
  ReplaceDecision rename;
  {
    Impl::Access access(*impl_, ref.file, effects);
    FileState* const state = access.state();
    FileNode* const node = access.node();
    FileState* const there = node ? node->find_called(name) : nullptr;
    if (!state || !state->find(ref.token)) {
      rename.decision = Decision::fail(NtStatus::kFileClosed);
    } else if (state->is_delete_pending(ref.token)) {
      rename.decision = Decision::fail(NtStatus::kAccessDenied);
    } else if (node->is_being_replaced()) {
      rename.decision = Decision::fail(NtStatus::kDeletePending);
      rename.taken_by = std::ranges::find(node->deleting, FileNode::Deletion::Why::kReplaced,
                                          &FileNode::Deletion::why)
                            ->by;
      rename.waits_for = node_key(ref.file);
    } else if (state->is_open_elsewhere(impl_->own_tag())) {
      rename.decision = Decision::fail(NtStatus::kSharingViolation);
    } else if (there && there != state && there->has_opens()) {
      rename.decision = Decision::fail(NtStatus::kInvalidParameter);
    } else if (there && there != state && node->is_deleting(there->key())) {
      rename.decision = Decision::fail(NtStatus::kDeletePending);
    } else {
      node->deleting.push_back(
          {node_key(ref.file), nullptr, impl_->own_tag(), FileNode::Deletion::Why::kReplaced});
    }
    if (!access.finish(state != nullptr, store::Urgency::kOrdinary)) {
      rename.decision = Decision::fail(NtStatus::kInsufficientResources);
    }
  }
  impl_->tell(ref.file, effects);
  if (rename.decision.verdict == Verdict::kGo) {
    rename.until_replaced = impl_->until_replaced(node_key(ref.file));
  }
  return rename;
}

void FileTable::stream_renamed(const OpenRef& ref, const FileKey& name) {
  impl_->with(ref.file, 0, [&](FileNode&, FileState& state, Outcome&) {
    state.set_name(name.stream);
    return 0;
  });
}

void FileTable::Impl::end_replace(const FileKey& file) {
  ++name_changes;  // before those come in who were kept out until now
  Effects effects;
  {
    Access access(*this, file, effects);
    if (FileNode* const node = access.node()) {
      std::erase_if(node->deleting, [&](const FileNode::Deletion& each) {
        return each.by == own_tag() && each.why == FileNode::Deletion::Why::kReplaced;
      });
      access.finish(true, store::Urgency::kMustNotFail);
    }
  }
  tell(file, effects);
}

}  // namespace braid::filestate
