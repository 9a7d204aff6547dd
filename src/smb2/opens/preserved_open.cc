#include "smb2/opens/preserved_open.h"

#include <utility>

namespace braid::smb2 {

PreservedOpen preserve(Open& open) {
  PreservedOpen preserved;
  static_cast<OpenValues&>(preserved) = open;
  preserved.changes = open.changes();
  preserved.share = open.tree_connect->share;
  if (const auto attributes = open.file->stat()) {
    preserved.size = attributes->size;
    preserved.write_time = attributes->write_time;
  }
  preserved.file = std::move(open.file);
  preserved.base_file = std::move(open.base_file);
  preserved.local_watch = std::move(open.local_watch);
  preserved.descriptors = std::move(open.descriptors);
  preserved.memory = open.memory.end();
  preserved.counted_locks = open.lock_room.counted();
  return preserved;
}

std::shared_ptr<Open> restore(PreservedOpen preserved, std::shared_ptr<Session> session,
                              std::shared_ptr<TreeConnect> tree) {
  auto open = std::make_shared<Open>(std::move(static_cast<OpenValues&>(preserved)),
                                     std::move(session), std::move(tree));
  open->file = std::move(preserved.file);
  if (open->file) open->its_stream_name = open->file->stream_name();
  open->base_file = std::move(preserved.base_file);
  open->local_watch = std::move(preserved.local_watch);
  open->resume(std::move(preserved.changes));
  open->descriptors = std::move(preserved.descriptors);
  open->memory.begin(std::move(preserved.memory));
  open->lock_room.resume(preserved.counted_locks);
  open->is_in_open_table = true;
  return open;
}

bool has_name(const PreservedOpen& preserved) {
  const auto now = preserved.file->stat();
  return now && now->nlink != 0;
}

bool is_unchanged(const PreservedOpen& preserved) {
  const auto now = preserved.file->stat();
  // Without a name it is nobody's file any more.
  return now && now->nlink != 0 && now->size == preserved.size &&
         now->write_time == preserved.write_time;
}

}  // namespace braid::smb2
