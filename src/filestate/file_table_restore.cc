// FileTable: opens that are written down, and had again after their server, or one of its workers,
// has ended.
#include "filestate/file_table_impl.h"
#include "filestate/open_image.h"

namespace braid::filestate {

std::optional<OpenImage> FileTable::image_of(const OpenRef& ref) const {
  return impl_->ask(ref.file, std::optional<OpenImage>{},
                    [&](FileNode&, const FileState& state) { return state.image_of(ref.token); });
}

std::vector<FileKey> FileTable::take_noted() {
  if (!impl_->has_noted.load(std::memory_order_acquire)) return {};
  auto noted = impl_->noted.lock();
  impl_->has_noted.store(false, std::memory_order_relaxed);
  std::vector<FileKey> files(noted->begin(), noted->end());
  noted->clear();
  return files;
}

std::vector<PromisedElsewhere> FileTable::take_noted_elsewhere() {
  if (!impl_->has_noted_elsewhere.load(std::memory_order_acquire)) return {};
  auto noted = impl_->noted_elsewhere.lock();
  impl_->has_noted_elsewhere.store(false, std::memory_order_relaxed);
  std::vector<PromisedElsewhere> files;
  for (auto& [file, workers] : *noted) files.push_back({file, std::move(workers)});
  noted->clear();
  return files;
}

std::vector<store::WorkerTag> FileTable::promised_elsewhere(const FileKey& file) const {
  if (!impl_->group) return {};
  const FileKey node_of{file.device, file.inode, 0};
  return impl_->ask(
      node_of, std::vector<store::WorkerTag>{},
      [&](const FileNode& node, const FileState&) { return impl_->others_of(node.promised_by); });
}

std::optional<FileKey> FileTable::restore(const FileKey& file, const OpenImage& image,
                                          OpenToken token, Account account) {
  Effects effects;
  FileKey known_as = file;
  bool is_there = false;
  {
    Impl::HeldFile held(*impl_, file, effects);
    FileState& state = held.open_state();
    known_as = state.key();
    FileNode& node = *held.node();
    const bool was_bound = image.lease && impl_->keys.file_of(lease_of(image)) == known_as;
    // The keys are of the clients of this worker, and so is what is held for another's not among
    // them.
    const bool is_own = impl_->worker_of(token) == impl_->own_tag();
    const auto bind = [&] {
      return !image.lease || !is_own || impl_->keys.bind(lease_of(image), known_as);
    };
    // Of a worker that has died the record knows more than what is written down: it has not ended.
    const OpenRecord* const kept =
        impl_->group ? state.find_persistent(image.persistent_id) : nullptr;
    if (kept) {
      const OpenToken from = kept->token;
      const bool is_free = kept->disconnected &&
                           !impl_->group->is_alive(store::WorkerTag::of(from.value)) &&
                           image.lease.has_value() == (kept->lease != nullptr) &&
                           (!kept->lease || kept->lease->id == lease_of(image));
      is_there = is_free && bind();
      if (is_there) state.rename_open(from, token);
    } else {
      const bool deletes = (image.access & kDelete) != 0 || image.delete_on_close;
      is_there = !node.is_being_replaced() &&
                 node.shares_deletion(file, deletes, image.access, image.share) && bind() &&
                 state.restore(image, token, account);
    }
    if (is_there) node.account = account;
    if (is_there && image.durability == Durability::kPersistent) {
      node.note_promise(impl_->worker_of(token));
    }
    if (is_there && image.lease && image.delete_on_close && is_own) {
      impl_->keys.set_delete_on_close(lease_of(image));
    }
    is_there = held.finish(true, store::Urgency::kOrdinary) && is_there;
    if (image.lease && !is_there && !was_bound && is_own)
      impl_->keys.unbind(lease_of(image), known_as);
  }
  impl_->tell(known_as, effects);
  return is_there ? std::optional(known_as) : std::nullopt;
}

bool FileTable::set_sleepers(Sleepers* sleepers) {
  if (impl_->group) return false;
  impl_->sleepers = sleepers;
  return true;
}

void FileTable::wake(const FileKey& file) { impl_->wake(file); }

bool FileTable::keep_lease_key(const LeaseId& lease, const FileKey& file) {
  return impl_->keys.bind(lease, file);
}

void FileTable::drop_lease_key(const LeaseId& lease, const FileKey& file) {
  const bool has_lease = impl_->ask(
      file, false, [&](FileNode&, const FileState& state) { return state.has_lease(lease); });
  if (!has_lease) impl_->keys.unbind(lease, file);
}

void FileTable::expect_kept() { impl_->keeps_own = true; }

void FileTable::drop_kept() {
  if (!impl_->group) return;
  impl_->keeps_own = false;
  for (const FileKey& file : impl_->files_where([](std::string_view) { return true; })) {
    impl_->look_for_dead(file);
  }
}

}  // namespace braid::filestate
