#include "vfs/local_guard.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace braid::vfs {
namespace {

// Those that a local program was let in to. Beyond it the oldest knowledge is as good as none.
constexpr size_t kRestingMax = 16'384;

FileKey whole(FileKey file) {
  file.stream = 0;
  return file;
}

}  // namespace

bool LocalGuard::is_resting(State& state, const FileKey& file) const {
  const auto found = state.resting.find(file);
  if (found == state.resting.end()) return false;
  if (clock_.monotonic() < found->second) return true;
  state.resting.erase(found);
  return false;
}

void LocalGuard::rest(State& state, const FileKey& file, Clock::Instant::duration time) {
  const Clock::Instant now = clock_.monotonic();
  if (state.resting.size() >= kRestingMax) {
    std::erase_if(state.resting, [&](const auto& each) { return each.second <= now; });
    if (state.resting.size() >= kRestingMax) state.resting.erase(state.resting.begin());
  }
  Clock::Instant& until = state.resting[file];
  until = std::max(until, now + time);
}

void LocalGuard::rest_if_slow(State& state, const FileKey& file, const Entry& entry) {
  const auto took = clock_.monotonic() - entry.breaking_since;
  if (took > kSlow) rest(state, file, took * kRestAfterSlow);
}

GuardLevel LocalGuard::guard_known(State& state, const FileKey& file, Entry& entry,
                                   GuardLevel wanted) {
  if (entry.breaking) return GuardLevel::kNone;
  entry.use = ++state.last_use;
  if (entry.level < wanted && !is_resting(state, file) &&
      kernel_.set(entry.descriptor.get(), wanted)) {
    entry.level = wanted;
  }
  return std::min(entry.level, wanted);
}

GuardLevel LocalGuard::guard(const FileKey& file, int descriptor, GuardLevel wanted) {
  // What is kept beside a file's data the kernel guards for nobody.
  if (wanted == GuardLevel::kNone || file.stream != 0) return GuardLevel::kNone;
  {
    auto state = state_.lock();
    if (const auto found = state->files.find(file); found != state->files.end()) {
      return guard_known(*state, file, found->second, wanted);
    }
    if (is_resting(*state, file) || state->files.size() >= files_max_) return GuardLevel::kNone;
  }
  if (descriptor < 0) return GuardLevel::kNone;
  auto held = kernel_.take(descriptor, wanted);
  if (!held) return GuardLevel::kNone;

  bool breaks = false;
  GuardLevel level = GuardLevel::kNone;
  {
    auto state = state_.lock();
    if (const auto found = state->files.find(file); found != state->files.end()) {
      // Somebody was faster. One lease is enough, if this is not the very same.
      (void)kernel_.set(held->descriptor.get(), GuardLevel::kNone);
      level = guard_known(*state, file, found->second, wanted);
    } else {
      const int own = held->descriptor.get();
      Entry& entry = state->files[file];
      entry = {.descriptor = std::move(held->descriptor),
               .level = held->level,
               .may_be_read = held->may_be_read,
               .use = ++state->last_use};
      state->by_descriptor[own] = file;
      count_ = state->files.size();
      // Asked for before anybody knew whose it is.
      begin_break(*state, file, entry);
      breaks = entry.breaking;
      level = breaks ? GuardLevel::kNone : entry.level;
    }
  }
  if (breaks) kernel_.wake();
  return level;
}

std::shared_ptr<const void> LocalGuard::opening(const FileKey& file) {
  const FileKey key = whole(file);
  ++state_.lock()->opening[key];
  return {this, [this, key](const void*) {
            auto state = state_.lock();
            const auto found = state->opening.find(key);
            if (--found->second != 0) return;
            state->opening.erase(found);
            const auto known = state->files.find(key);
            if (known != state->files.end() && known->second.breaking) rest(*state, key, kRest);
          }};
}

UniqueFd LocalGuard::remove(State& state, const FileKey& file) {
  const auto found = state.files.find(file);
  const int descriptor = found->second.descriptor.get();
  (void)kernel_.set(descriptor, GuardLevel::kNone);
  state.by_descriptor.erase(descriptor);
  UniqueFd closed = std::move(found->second.descriptor);
  state.files.erase(found);
  count_ = state.files.size();
  return closed;
}

void LocalGuard::look(const FileKey& of) {
  if (count_ == 0) return;
  const FileKey file = whole(of);
  uint64_t use = 0;
  {
    auto state = state_.lock();
    const auto found = state->files.find(file);
    if (found == state->files.end()) return;
    if (found->second.breaking) return kernel_.wake();
    use = found->second.use;
  }
  if (caching_.held(file) != GuardLevel::kNone) return;
  UniqueFd closed;  // once the lock is let go of
  auto state = state_.lock();
  const auto found = state->files.find(file);
  if (found == state->files.end() || found->second.use != use) return;
  closed = remove(*state, file);
}

void LocalGuard::begin_break(State& state, const FileKey& file, Entry& entry) {
  if (entry.breaking || kernel_.due(entry.descriptor.get()) >= entry.level) return;
  entry.breaking = true;
  entry.breaking_since = clock_.monotonic();
  if (!state.opening.contains(file)) rest(state, file, kRest);
}

void LocalGuard::asked_for(int descriptor) {
  auto state = state_.lock();
  const auto known = state->by_descriptor.find(descriptor);
  if (known == state->by_descriptor.end()) return;
  begin_break(*state, known->second, state->files.at(known->second));
}

void LocalGuard::look_at_all() {
  auto state = state_.lock();
  for (auto& [file, entry] : state->files) begin_break(*state, file, entry);
}

bool LocalGuard::advance() {
  std::vector<FileKey> breaking;
  {
    auto state = state_.lock();
    for (const auto& [file, entry] : state->files) {
      if (entry.breaking) breaking.push_back(file);
    }
  }
  for (const FileKey& file : breaking) step(file);
  auto state = state_.lock();
  return std::ranges::any_of(state->files, [](const auto& each) { return each.second.breaking; });
}

void LocalGuard::step(const FileKey& file) {
  GuardLevel level = GuardLevel::kNone;
  {
    auto state = state_.lock();
    const auto found = state->files.find(file);
    if (found == state->files.end() || !found->second.breaking) return;
    const Entry& entry = found->second;
    if (entry.may_be_read) level = kernel_.due(entry.descriptor.get());
  }
  caching_.take_down(file, level);
  if (caching_.held(file) > level) return;

  UniqueFd closed;  // once the lock is let go of
  auto state = state_.lock();
  const auto found = state->files.find(file);
  if (found == state->files.end() || !found->second.breaking) return;
  Entry& entry = found->second;
  // Meanwhile somebody else may be held off, who needs more.
  if (entry.may_be_read && kernel_.due(entry.descriptor.get()) < level) return;
  if (level == GuardLevel::kRead) {
    if (kernel_.set(entry.descriptor.get(), level)) {
      entry.level = level;
      entry.breaking = false;
      rest_if_slow(*state, file, entry);
    } else {
      entry.may_be_read = false;
    }
    return;
  }
  rest_if_slow(*state, file, entry);
  closed = remove(*state, file);
}

}  // namespace braid::vfs
