#include "runtime/way_back.h"

#include <cassert>
#include <vector>

namespace braid {
namespace {

thread_local Returns* collecting = nullptr;

// What runs on a reactor now.
struct Coming {
  bool have_more = false;
  std::vector<std::move_only_function<void()>> behind;
};
thread_local Coming coming;

}  // namespace

void WayBack::await_suspend(std::coroutine_handle<> handle) {
  if (!collecting) return home_.post([handle] { handle.resume(); });
  handle_ = handle;
  collecting->push(*this);
}

void Returns::push(WayBack& each) {
  (last_ ? last_->behind_ : first_) = &each;
  last_ = &each;
  ++size_;
}

void Returns::take(Returns& others) {
  if (others.empty() || &others == this) return;
  (last_ ? last_->behind_ : first_) = std::exchange(others.first_, nullptr);
  last_ = std::exchange(others.last_, nullptr);
  size_ += std::exchange(others.size_, 0);
}

void Returns::send() {
  WayBack* next = std::exchange(first_, nullptr);
  last_ = nullptr;
  size_ = 0;
  while (next) {
    WayBack* const first = next;
    WayBack* last = first;
    while (last->behind_ && &last->behind_->home_ == &first->home_) last = last->behind_;
    next = std::exchange(last->behind_, nullptr);
    first->home_.post([first] { run(first); });
  }
}

void Returns::collect_into(Returns* list) { collecting = list; }

void Returns::run(WayBack* first) {
  while (first) {
    // It is gone once it continues.
    WayBack* const behind = first->behind_;
    coming.have_more = behind != nullptr;
    first->handle_.resume();
    first = behind;
  }
  for (size_t i = 0; i < coming.behind.size(); ++i) coming.behind[i]();
  coming.behind.clear();
}

bool Returns::come_behind() { return coming.have_more; }

void Returns::run_behind(std::move_only_function<void()> work) {
  assert(coming.have_more);
  coming.behind.push_back(std::move(work));
}

}  // namespace braid
