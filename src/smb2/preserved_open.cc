#include "smb2/preserved_open.h"

#include <utility>

namespace braid::smb2 {

PreservedOpen preserve(Open& open) {
  // One after the other: within the braces both locks would be held to the end.
  auto terms = *open.durable_terms.lock();
  auto path = *open.path.lock();
  PreservedOpen preserved{.file_id = open.file_id,
                          .attributes = open.attributes,
                          .names = open.names,
                          .terms = std::move(terms),
                          .owner = open.owner,
                          .share = open.tree_connect->share,
                          .path = std::move(path),
                          .credentials = open.credentials,
                          .client_guid = open.client_guid,
                          .user = open.user,
                          .lease_key = open.lease_key,
                          .parent_lease_key = open.parent_lease_key,
                          .is_modified = open.is_modified,
                          .is_replay_eligible = open.is_replay_eligible,
                          .time_rules = open.time_rules,
                          .position = open.position,
                          .mode = open.mode,
                          .next_ea = open.next_ea,
                          .flush_error = open.flush_error};
  if (const auto attributes = open.file->stat()) {
    preserved.size = attributes->size;
    preserved.write_time = attributes->write_time;
  }
  preserved.file = std::move(open.file);
  preserved.base_file = std::move(open.base_file);
  preserved.descriptors = std::move(open.descriptors);
  preserved.memory = open.memory.end();
  preserved.counted_locks = open.lock_room.counted();
  return preserved;
}

std::shared_ptr<Open> restore(PreservedOpen preserved, std::shared_ptr<Session> session,
                              std::shared_ptr<TreeConnect> tree) {
  auto open = std::make_shared<Open>(preserved.file_id, std::move(session), std::move(tree),
                                     preserved.attributes);
  open->names = preserved.names;
  *open->durable_terms.lock() = preserved.terms;
  open->owner = std::move(preserved.owner);
  *open->path.lock() = std::move(preserved.path);
  open->credentials = std::move(preserved.credentials);
  open->client_guid = preserved.client_guid;
  open->user = preserved.user;
  open->lease_key = preserved.lease_key;
  open->parent_lease_key = preserved.parent_lease_key;
  open->is_modified = preserved.is_modified;
  open->is_replay_eligible = preserved.is_replay_eligible;
  open->position = preserved.position;
  open->mode = preserved.mode;
  open->next_ea = preserved.next_ea;
  open->flush_error = preserved.flush_error;
  open->file = std::move(preserved.file);
  open->its_stream_name = open->file->stream_name();
  open->base_file = std::move(preserved.base_file);
  // The files may have been opened anew, in another process.
  if (preserved.time_rules.any()) open->set_time_rules(preserved.time_rules);
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
