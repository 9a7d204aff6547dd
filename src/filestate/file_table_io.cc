// FileTable: what every READ and WRITE asks.
#include "filestate/file_table_impl.h"

namespace braid::filestate {

FileNode* FileTable::Impl::find_unchanged(const Files& files, const FileKey& file) const {
  const auto found = files.nodes.find(node_key(file));
  if (found == files.nodes.end()) return nullptr;
  FileNode& node = *found->second;
  return group && !is_current(node) ? nullptr : &node;
}

bool FileTable::is_unobstructed(const OpenRef& ref, Operation operation,
                                const IoRange& range) const {
  auto files = impl_->shard_of(ref.file).lock();
  FileNode* const node = impl_->find_unchanged(*files, ref.file);
  const FileState* const state = node ? node->find(ref.file) : nullptr;
  if (!state) return false;
  const auto decision = state->begin_io_alone(ref.token, operation, {&range, 1});
  return decision && decision->verdict == Verdict::kGo;
}

Decision FileTable::begin_io(const OpenRef& ref, Operation operation,
                             std::span<const IoRange> ranges) {
  {
    auto files = impl_->shard_of(ref.file).lock();
    FileNode* const node = impl_->find_unchanged(*files, ref.file);
    if (const FileState* const state = node ? node->find(ref.file) : nullptr) {
      if (const auto decision = state->begin_io_alone(ref.token, operation, ranges)) {
        return *decision;
      }
    }
  }
  Effects effects;
  Decision decision = Decision::fail(NtStatus::kFileClosed);
  {
    Impl::HeldFile held(*impl_, ref.file, effects);
    bool changed = false;
    if (FileState* const state = held.state()) {
      const bool breaks_under_way = state->has_breaks_under_way();
      decision = state->begin_io(ref.token, operation, ranges, effects.outcome);
      changed = breaks_under_way || decision.verdict == Verdict::kWait || !effects.outcome.empty();
      if (changed) held.settle(*state);
    }
    const bool waits = decision.verdict == Verdict::kWait;
    if (!held.finish(changed, waits ? store::Urgency::kOrdinary : store::Urgency::kMustNotFail)) {
      decision = Decision::fail(NtStatus::kInsufficientResources);
    }
  }
  impl_->tell(ref.file, effects);
  return decision;
}

NtStatus FileTable::check_io(const OpenRef& ref, uint64_t offset, uint64_t length,
                             bool write) const {
  return impl_->ask(ref.file, NtStatus::kFileClosed, [&](FileNode&, const FileState& state) {
    // A stream's state may outlive its last open for a while, or not.
    if (!state.find(ref.token)) return NtStatus::kFileClosed;
    return state.check_io(ref.token, offset, length, write);
  });
}

}  // namespace braid::filestate
