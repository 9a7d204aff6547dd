#include "smb2/opens/open.h"

namespace braid::smb2 {

OpenUse Open::use(const std::shared_ptr<Open>& open) {
  const uint32_t before = open->state_.fetch_add(1, std::memory_order_acq_rel);
  if (before & kClosing) {
    open->end_use();
    return {};
  }
  return OpenUse(open);
}

bool Open::begin_close() {
  const uint32_t before = state_.fetch_or(kClosing, std::memory_order_acq_rel);
  if (before & kClosing) return false;
  if (before == 0) unused_.set(true);
  return true;
}

bool Open::begin_close_unused() {
  uint32_t nobody = 0;
  if (!state_.compare_exchange_strong(nobody, kClosing, std::memory_order_acq_rel)) return false;
  unused_.set(true);
  return true;
}

void Open::end_use() {
  const uint32_t before = state_.fetch_sub(1, std::memory_order_acq_rel);
  if (before == (kClosing | 1)) unused_.set(true);  // a second set() is ignored
}

void OpenUse::release() {
  if (open_) open_->end_use();
  open_ = nullptr;
}

Result<vfs::Attributes> Open::seen() const {
  {
    auto other = in_its_place.lock();
    if (*other) return **other;
  }
  return file->stat();
}

OpenChanges Open::changes() const {
  OpenChanges now;
  // One after the other: no two of the locks at once.
  now.durable_terms = *durable_terms.lock();
  now.path = *path.lock();
  now.is_modified = is_modified;
  now.is_replay_eligible = is_replay_eligible;
  now.time_rules = time_rules;
  now.position = position;
  now.mode = mode;
  now.next_ea = next_ea;
  now.flush_error = flush_error;
  return now;
}

void Open::resume(OpenChanges changes) {
  *durable_terms.lock() = changes.durable_terms;
  *path.lock() = std::move(changes.path);
  is_modified = changes.is_modified;
  is_replay_eligible = changes.is_replay_eligible;
  // The files may have been opened anew, in another process.
  if (changes.time_rules.any()) set_time_rules(changes.time_rules);
  position = changes.position;
  mode = changes.mode;
  next_ea = changes.next_ea;
  flush_error = changes.flush_error;
}

void Open::set_time_rules(const vfs::TimeRules& rules) {
  time_rules = rules;
  file->set_time_rules(rules);
  if (base_file) base_file->set_time_rules(rules);
}

}  // namespace braid::smb2
