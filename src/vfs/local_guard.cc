#include "vfs/local_guard.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace braid::vfs {
namespace {

// Those that a local program was let in to. Beyond it the oldest knowledge is as good as none.
constexpr size_t kRestingMax = 16'384;
// How often is looked whether clients have given up what nobody waits for: there may be thousands
// of files.
constexpr std::chrono::seconds kLookUnasked{1};

FileKey whole(FileKey file) {
  file.stream = 0;
  return file;
}

}  // namespace

template <class Key>
bool LocalGuard::is_resting(std::unordered_map<Key, Until>& resting, const Key& key) const {
  const auto found = resting.find(key);
  if (found == resting.end()) return false;
  if (clock_.monotonic() < found->second) return true;
  resting.erase(found);
  return false;
}

template <class Key>
void LocalGuard::rest(std::unordered_map<Key, Until>& resting, const Key& key,
                      Until::duration time) {
  const Until now = clock_.monotonic();
  if (resting.size() >= kRestingMax) {
    std::erase_if(resting, [&](const auto& each) { return each.second <= now; });
    if (resting.size() >= kRestingMax) resting.erase(resting.begin());
  }
  Until& until = resting[key];
  until = std::max(until, now + time);
}

bool LocalGuard::has_room(const State& state, GuardedUser user) const {
  const auto found = state.guarded_for.find(user);
  const size_t own = found == state.guarded_for.end() ? 0 : found->second;
  const size_t others = state.files.size() - own;
  return state.files.size() < files_max_ && own * 4 < (files_max_ - others) * 3;
}

// Whose users are known to be slow is nobody else's to suffer for.
void LocalGuard::rest_if_slow(State& state, const FileKey& file, const Entry& entry) {
  if (!entry.is_asked) return;
  const auto took = clock_.monotonic() - entry.breaking_since;
  for (const GuardedUser user : entry.slow) rest(state.slow, user, took * kRestAfterSlow);
  if (took > kSlow && entry.slow.empty()) rest(state.resting, file, took * kRestAfterSlow);
}

bool LocalGuard::is_slow(const Entry& entry) const {
  const auto patience = entry.level == GuardLevel::kWrite ? kSlowToWrite : kSlow;
  return entry.is_asked && clock_.monotonic() - entry.breaking_since > patience;
}

GuardLevel LocalGuard::guard_known(State& state, const FileKey& file, Entry& entry,
                                   GuardLevel wanted) {
  if (entry.breaking) return GuardLevel::kNone;
  entry.use = ++state.last_use;
  if (entry.level < wanted && !is_resting(state.resting, file) &&
      kernel_.set(entry.descriptor.get(), wanted)) {
    entry.level = wanted;
  }
  return std::min(entry.level, wanted);
}

GuardLevel LocalGuard::guard(const FileKey& file, int descriptor, GuardLevel wanted,
                             GuardedUser user) {
  return guard_new(file, descriptor, wanted, user, /*is_inherited=*/false);
}

GuardLevel LocalGuard::inherit(const FileKey& file, int descriptor, GuardLevel wanted,
                               GuardedUser user) {
  if (descriptor < 0) return GuardLevel::kNone;
  const auto is_known = [&] { return state_.lock()->files.contains(file); };
  const bool was_known = is_known();
  const GuardLevel level = guard_new(file, descriptor, wanted, user, /*is_inherited=*/true);
  // What the process before had by this one, the kernel would ask nobody to give back.
  if (was_known || !is_known()) (void)kernel_.set(descriptor, GuardLevel::kNone);
  return level;
}

// Whom the process before has held off: nobody is guarded against him, but he has to wait.
void LocalGuard::let_in(const FileKey& file, int descriptor, GuardedUser user) {
  auto own = kernel_.inherit(descriptor);
  if (!own) return;
  {
    auto state = state_.lock();
    if (state->files.contains(file)) return;
    state->by_descriptor[own->get()] = file;
    state->files[file] = {.descriptor = *std::move(own),
                          .level = GuardLevel::kWrite,
                          .may_be_read = false,
                          .user = user,
                          .breaking = true,
                          .is_asked = true,
                          .breaking_since = clock_.monotonic(),
                          .use = ++state->last_use};
    ++state->guarded_for[user];
    count_ = state->files.size();
    rest(state->resting, file, kRest);
  }
  kernel_.wake();
}

GuardLevel LocalGuard::guard_new(const FileKey& file, int descriptor, GuardLevel wanted,
                                 GuardedUser user, bool is_inherited) {
  // What is kept beside a file's data the kernel guards for nobody.
  if (wanted == GuardLevel::kNone || file.stream != 0) return GuardLevel::kNone;
  {
    auto state = state_.lock();
    if (is_resting(state->slow, user)) return GuardLevel::kNone;
    if (const auto found = state->files.find(file); found != state->files.end()) {
      return guard_known(*state, file, found->second, wanted);
    }
    if (is_resting(state->resting, file) || !has_room(*state, user)) return GuardLevel::kNone;
  }
  if (descriptor < 0) return GuardLevel::kNone;
  auto held = kernel_.take(descriptor, wanted);
  if (!held && is_inherited) let_in(file, descriptor, user);
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
               .user = user,
               .use = ++state->last_use};
      ++state->guarded_for[user];
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
            if (known != state->files.end() && known->second.is_asked) {
              rest(state->resting, key, kRest);
            }
          }};
}

UniqueFd LocalGuard::remove(State& state, const FileKey& file) {
  const auto found = state.files.find(file);
  const int descriptor = found->second.descriptor.get();
  (void)kernel_.set(descriptor, GuardLevel::kNone);
  state.by_descriptor.erase(descriptor);
  const auto user = state.guarded_for.find(found->second.user);
  if (--user->second == 0) state.guarded_for.erase(user);
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
  if (entry.is_asked || kernel_.due(entry.descriptor.get()) >= entry.level) return;
  entry.is_asked = true;
  entry.breaking_since = clock_.monotonic();
  // All of it, if it was breaking before the kernel asked.
  if (entry.breaking) entry.may_be_read = false;
  entry.breaking = true;
  if (!state.opening.contains(file)) rest(state.resting, file, kRest);
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
    const auto now = clock_.monotonic();
    auto state = state_.lock();
    for (auto& [file, entry] : state->files) {
      if (!entry.breaking || (!entry.is_asked && now < entry.next_look)) continue;
      entry.next_look = now + kLookUnasked;
      breaking.push_back(file);
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
    if (entry.may_be_read && entry.is_asked) level = kernel_.due(entry.descriptor.get());
  }
  caching_.take_down(file, level);
  if (caching_.held(file) > level) return see_who_is_slow(file, level);

  UniqueFd closed;  // once the lock is let go of
  auto state = state_.lock();
  const auto found = state->files.find(file);
  if (found == state->files.end() || !found->second.breaking) return;
  Entry& entry = found->second;
  // Meanwhile somebody else may be held off, who needs more.
  if (entry.may_be_read && kernel_.due(entry.descriptor.get()) < level) return;
  if (level == GuardLevel::kRead) {
    if (kernel_.set(entry.descriptor.get(), level)) {
      rest_if_slow(*state, file, entry);
      entry.level = level;
      entry.breaking = entry.is_asked = false;
      entry.slow.clear();
    } else {
      entry.may_be_read = false;
    }
    return;
  }
  rest_if_slow(*state, file, entry);
  closed = remove(*state, file);
}

void LocalGuard::see_who_is_slow(const FileKey& file, GuardLevel level) {
  {
    auto state = state_.lock();
    const auto found = state->files.find(file);
    if (found == state->files.end() || !found->second.slow.empty() || !is_slow(found->second)) {
      return;
    }
  }
  std::vector<GuardedUser> users = caching_.holders(file, level);
  std::ranges::sort(users);
  const auto rest_of = std::ranges::unique(users);
  users.erase(rest_of.begin(), rest_of.end());
  {
    auto state = state_.lock();
    const auto found = state->files.find(file);
    if (found == state->files.end() || !found->second.is_asked) return;
    found->second.slow = users;
    const auto took = clock_.monotonic() - found->second.breaking_since;
    for (const GuardedUser user : users) rest(state->slow, user, took * kRestAfterSlow);
  }
  take_all_of(users);
}

void LocalGuard::take_all_of(const std::vector<GuardedUser>& users) {
  std::vector<FileKey> quiet;
  {
    auto state = state_.lock();
    for (const auto& [file, entry] : state->files) {
      if (!entry.breaking) quiet.push_back(file);
    }
  }
  std::erase_if(quiet, [&](const FileKey& file) {
    const auto of = caching_.holders(file, GuardLevel::kNone);
    return std::ranges::find_first_of(of, users) == of.end();
  });
  auto state = state_.lock();
  for (const FileKey& file : quiet) {
    const auto found = state->files.find(file);
    if (found != state->files.end()) found->second.breaking = true;
  }
}

}  // namespace braid::vfs
