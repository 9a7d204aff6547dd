#include "smb2/notify/own_changes.h"

#include <utility>

#include "crypto/secret.h"
#include "smb2/notify/paths.h"

namespace braid::smb2 {

OwnChanges::OwnChanges() { crypto::random_bytes(key_); }

uint64_t OwnChanges::hash_of(std::string_view path) const { return sip_hash(key_, as_bytes(path)); }

uint64_t OwnChanges::hash_on_disk(std::string_view path) const {
  return hash_of(spelled_for_clients(path));
}

bool OwnChanges::note(std::string_view path, Time now, bool is_name) {
  const uint64_t hash = hash_of(path);
  auto notes = notes_.lock();
  const bool is_first = notes->by_path.empty();
  const auto [found, added] = notes->by_path.try_emplace(hash);
  if (added) {
    found->second = notes->in_order.insert(notes->in_order.end(), {.path = hash});
  } else {
    notes->in_order.splice(notes->in_order.end(), notes->in_order, found->second);
  }
  Note& note = *found->second;
  note.last = now;
  if (is_name) ++note.names;
  if (notes->by_path.size() > kNotesMax) notes->forget_first();
  return is_first;
}

void OwnChanges::Notes::forget_first() {
  by_path.erase(in_order.front().path);
  in_order.pop_front();
}

void OwnChanges::Notes::forget_before(Time time) {
  while (!in_order.empty() && in_order.front().last < time) forget_first();
}

bool OwnChanges::expire(Time now) {
  auto notes = notes_.lock();
  // As long as an event may still be on its way that was heard while it counted.
  notes->forget_before(now - kLife - 2 * kSettle);
  return !notes->by_path.empty();
}

bool OwnChanges::Notes::take_name(uint64_t path) {
  const auto found = by_path.find(path);
  if (found == by_path.end() || found->second->names == 0) return false;
  --found->second->names;
  return true;
}

bool OwnChanges::is_echo(const LocalChange& change, Time heard) {
  if (change.kind == LocalChange::Kind::kLost) return false;
  const uint64_t path = hash_on_disk(change.path);
  const bool renamed = change.kind == LocalChange::Kind::kRenamed;
  const uint64_t new_path = renamed ? hash_on_disk(change.new_path) : 0;
  auto notes = notes_.lock();
  notes->forget_before(heard - kLife);
  if (change.kind == LocalChange::Kind::kModified) return notes->by_path.contains(path);
  const bool is_known = notes->take_name(path);
  return (renamed && notes->take_name(new_path)) || is_known;
}

}  // namespace braid::smb2
