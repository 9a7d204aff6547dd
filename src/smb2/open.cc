#include "smb2/open.h"

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

void Open::end_use() {
  const uint32_t before = state_.fetch_sub(1, std::memory_order_acq_rel);
  if (before == (kClosing | 1)) unused_.set(true);  // a second set() is ignored
}

void OpenUse::release() {
  if (open_) open_->end_use();
  open_ = nullptr;
}

void Open::set_time_rules(const vfs::TimeRules& rules) {
  time_rules = rules;
  file->set_time_rules(rules);
  if (base_file) base_file->set_time_rules(rules);
}

}  // namespace braid::smb2
