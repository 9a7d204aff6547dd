#include "smb2/notify/own_changes.h"

#include "smb2/notify/paths.h"

namespace braid::smb2 {

void OwnChanges::note(const std::string& path, Time now, bool is_name) {
  Notes& notes = notes_[path];
  if (is_name) ++notes.names;
  notes.last = now;
  order_.push_back({path, now});
  forget_before(now - kLife - 2 * kSettle);
  while (order_.size() > kNotesMax) forget_before(order_.front().at + std::chrono::nanoseconds(1));
}

void OwnChanges::forget_before(Time time) {
  while (!order_.empty() && order_.front().at < time) {
    const auto found = notes_.find(order_.front().path);
    if (found != notes_.end() && found->second.last < time) notes_.erase(found);
    order_.pop_front();
  }
}

bool OwnChanges::take_name(const std::string& path) {
  const auto found = notes_.find(path);
  if (found == notes_.end() || found->second.names == 0) return false;
  --found->second.names;
  return true;
}

bool OwnChanges::is_echo(const LocalChange& change, Time heard) {
  forget_before(heard - kLife);
  const std::string path = spelled_for_clients(change.path);
  switch (change.kind) {
    case LocalChange::Kind::kAdded:
    case LocalChange::Kind::kRemoved:
      return take_name(path);
    case LocalChange::Kind::kRenamed: {
      const bool from = take_name(path);
      return take_name(spelled_for_clients(change.new_path)) || from;
    }
    case LocalChange::Kind::kModified:
      return notes_.contains(path);
    case LocalChange::Kind::kLost:
      return false;
  }
  return false;
}

}  // namespace braid::smb2
