#include "smb2/notify/change_buffer.h"

#include <utility>

namespace braid::smb2 {
namespace {

bool is_modification(wire::FileAction action) {
  return action == wire::FileAction::kModified || action == wire::FileAction::kModifiedStream;
}

}  // namespace

Bytes NotifyAnswer::encode(uint32_t limit) {
  std::vector<wire::FileNotifyView> views;
  views.reserve(changes.size());
  for (const ToldChange& change : changes) views.push_back({change.action, *change.name});
  Bytes list = wire::encode_notify(views, limit);
  if (list.empty() && status == NtStatus::kSuccess) status = NtStatus::kNotifyEnumDir;
  return list;
}

void ChangeBuffer::add(wire::FileAction action, ChangedName& name) {
  if (lost_) return;
  if (is_modification(action) && !changes_.empty() && changes_.back().action == action &&
      *changes_.back().name == name.text()) {
    return;
  }
  if (name.entry_size() > capacity_ - size_) return lose();
  size_ += name.entry_size();
  changes_.push_back({action, name.shared()});
}

void ChangeBuffer::lose() {
  lost_ = true;
  changes_ = {};
  size_ = 0;
}

NotifyAnswer ChangeBuffer::take() {
  NotifyAnswer answer;
  if (lost_) {
    answer.status = NtStatus::kNotifyEnumDir;
  } else {
    answer.changes = std::move(changes_);
  }
  changes_ = {};
  size_ = 0;
  lost_ = false;
  return answer;
}

}  // namespace braid::smb2
