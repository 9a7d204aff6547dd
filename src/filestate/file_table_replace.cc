// FileTable: what is about to be taken from a file: its name, streams of it, or all of it.
#include <algorithm>

#include "filestate/file_table_impl.h"

namespace braid::filestate {

template <class Judge>
ReplaceDecision FileTable::Impl::take(const FileKey& file, Unopened unopened, Judge judge) {
  using Why = FileNode::Deletion::Why;
  Effects effects;
  ReplaceDecision taken;
  {
    HeldFile held(*this, file, effects);
    FileState* const state = unopened == Unopened::kTake ? &held.open_state() : held.state();
    FileNode* const node = held.node();
    if (!state) {
      taken.decision = Decision::fail(NtStatus::kFileClosed);
    } else if (node->is_being_replaced()) {
      taken.decision = Decision::fail(NtStatus::kDeletePending);
      taken.taken_by =
          std::ranges::find(node->deleting, Why::kReplaced, &FileNode::Deletion::why)->by;
      taken.waits_for = node_key(file);
    } else if (const NtStatus status = judge(*node, *state); status != NtStatus::kSuccess) {
      taken.decision = Decision::fail(status);
    } else {
      node->deleting.push_back({node_key(file), nullptr, own_tag(), Why::kReplaced});
    }
    if (!held.finish(state != nullptr, store::Urgency::kOrdinary)) {
      taken = {.decision = Decision::fail(NtStatus::kInsufficientResources)};
    }
  }
  tell(file, effects);
  if (taken.decision.verdict == Verdict::kGo) taken.until_replaced = until_replaced(node_key(file));
  return taken;
}

ReplaceDecision FileTable::begin_replace(const FileKey& target, std::string_view path,
                                         const OpenRef& ref, DeleteSemantics semantics) {
  if (const auto maker = impl_->maker_of(path)) {
    return {.decision = Decision::fail(NtStatus::kDeletePending),
            .taken_by = maker,
            .waits_for = key_of_name(path)};
  }
  impl_->wake(target);
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

  const auto judge = [&](FileNode& node, FileState& main) {
    const bool stream_open =
        std::ranges::any_of(node.streams, [](const auto& stream) { return stream->has_opens(); });
    const bool is_posix = semantics == DeleteSemantics::kPosix;
    const Link* const link = main.links().find(path);
    if (link && link->delete_pending) return NtStatus::kDeletePending;
    if (stream_open || (is_posix ? main.denies(kDelete) : main.has_opens())) {
      return NtStatus::kAccessDenied;
    }
    return NtStatus::kSuccess;
  };
  return impl_->take(node_key(target), Impl::Unopened::kTake, judge);
}

ReplaceDecision FileTable::begin_stream_rename(const OpenRef& ref, const FileKey& name) {
  const auto judge = [&](FileNode& node, FileState& state) {
    const FileState* const there = node.find_called(name);
    const bool is_other = there && there != &state;
    if (!state.find(ref.token)) return NtStatus::kFileClosed;
    if (state.is_delete_pending(ref.token)) return NtStatus::kAccessDenied;
    if (impl_->group && state.is_open_elsewhere(impl_->own_tag())) {
      return NtStatus::kSharingViolation;
    }
    if (is_other && there->has_opens()) return NtStatus::kInvalidParameter;
    if (is_other && node.is_deleting(there->key())) return NtStatus::kDeletePending;
    return NtStatus::kSuccess;
  };
  return impl_->take(ref.file, Impl::Unopened::kRefuse, judge);
}

ReplaceDecision FileTable::begin_exchange(const OpenRef& ref) {
  const auto judge = [&](FileNode& node, FileState& state) {
    const OpenRecord* const open = state.find(ref.token);
    if (!open) return NtStatus::kFileClosed;
    if (state.is_delete_pending(ref.token)) return NtStatus::kDeletePending;
    if (open->delete_on_close) return NtStatus::kAccessDenied;
    const bool stream_open =
        std::ranges::any_of(node.streams, [](const auto& stream) { return stream->has_opens(); });
    if (stream_open || state.is_open_beside(ref.token)) return NtStatus::kSharingViolation;
    return NtStatus::kSuccess;
  };
  return impl_->take(ref.file, Impl::Unopened::kRefuse, judge);
}

StreamsDecision FileTable::begin_stream_removal(const OpenRef& ref,
                                                std::span<const FileKey> streams) {
  StreamsDecision removal;
  const auto judge = [&](FileNode& node, FileState& state) {
    if (!state.find(ref.token)) return NtStatus::kFileClosed;
    for (const FileKey& stream : streams) {
      const FileState* const there = node.find_called(stream);
      if (!there || (!there->is_open_beside(ref.token) && !node.is_deleting(there->key()))) {
        removal.free.push_back(stream);
      }
    }
    return NtStatus::kSuccess;
  };
  static_cast<ReplaceDecision&>(removal) = impl_->take(ref.file, Impl::Unopened::kRefuse, judge);
  return removal;
}

void FileTable::stream_renamed(const OpenRef& ref, const FileKey& name) {
  impl_->change(ref.file,
                [&](FileNode&, FileState& state, Outcome&) { state.set_name(name.stream); });
}

void FileTable::Impl::end_replace(const FileKey& file) {
  name_went();  // before those come in who were kept out until now
  Effects effects;
  {
    HeldFile held(*this, file, effects);
    if (FileNode* const node = held.node()) {
      std::erase_if(node->deleting, [&](const FileNode::Deletion& each) {
        return each.by == own_tag() && each.why == FileNode::Deletion::Why::kReplaced;
      });
      held.finish(true, store::Urgency::kMustNotFail);
    }
  }
  tell(file, effects);
}

}  // namespace braid::filestate
