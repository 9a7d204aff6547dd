#include "smb2/notify/change_buffer.h"

#include <utility>

namespace braid::smb2 {
namespace {

bool is_modification(wire::FileAction action) {
  return action == wire::FileAction::kModified || action == wire::FileAction::kModifiedStream;
}

}  // namespace

void ChangeBuffer::add(wire::FileAction action, std::string name) {
  if (lost_) return;
  wire::FileNotifyInformation change{action, std::move(name)};
  if (is_modification(action) && !changes_.empty() && changes_.back() == change) return;
  const size_t size = wire::notify_entry_size(change);
  if (size > capacity_ - size_) return lose();
  size_ += size;
  changes_.push_back(std::move(change));
}

void ChangeBuffer::lose() {
  lost_ = true;
  changes_ = {};
  size_ = 0;
}

NotifyAnswer ChangeBuffer::take(uint32_t limit) {
  NotifyAnswer answer;
  if (!lost_) answer.changes = wire::encode_notify(changes_, limit);
  if (answer.changes.empty()) answer.status = NtStatus::kNotifyEnumDir;
  changes_ = {};
  size_ = 0;
  lost_ = false;
  return answer;
}

}  // namespace braid::smb2
