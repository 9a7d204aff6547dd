// Changes from inotify, for where fanotify is not allowed.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <memory>
#include <optional>
#include <thread>

#include "base/guarded.h"
#include "base/unique_fd.h"
#include "runtime/identity.h"
#include "smb2/notify/inotify_event.h"
#include "smb2/notify/inotify_tree.h"
#include "smb2/notify/local_filters.h"
#include "smb2/notify/own_changes.h"
#include "vfs/names.h"

namespace braid::smb2 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kInotifyReadSize = 64u << 10;
// Events waiting for kSettle, at most, and the bytes of their paths; more are a loss, as with the
// kernel's own queue.
constexpr size_t kHeldMax = 16384;
constexpr size_t kHeldBytesMax = 4u << 20;
// Paths of directories that wait to be walked before more events are taken.
constexpr size_t kNewBytesMax = 1u << 20;

class InotifyChanges final : public LocalChanges {
 public:
  InotifyChanges(UniqueFd inotify, UniqueFd wake, LocalChangeSink& sink)
      : inotify_(std::move(inotify)),
        wake_(std::move(wake)),
        sink_(sink),
        state_(inotify_.get()),
        thread_([this] { run(); }) {}
  ~InotifyChanges() override { stop(); }

  uint64_t watch(const LocalWatch& watch) override {
    is_used_ = true;  // first, so that nothing it hears of goes without a note
    auto state = state_.lock();
    const uint64_t id = state->tree.add_root(watch);
    if (id != 0 && watch.tree) {
      state->to_walk.push_back(watch.directory);
      wake();
    }
    return id;
  }
  void unwatch(uint64_t watch) override { state_.lock()->tree.remove_root(watch); }
  void own_name_change(const std::string& path) override {
    if (is_used_ && own_.note_name(path, Clock::now())) wake();
  }
  void own_modification(const std::string& path) override {
    if (is_used_ && own_.note_modification(path, Clock::now())) wake();
  }
  void stop() override {
    if (!thread_.joinable()) return;
    stopping_ = true;
    wake();
    thread_.join();
  }

 private:
  struct State {
    explicit State(int inotify) : tree(inotify) {}
    InotifyTree tree;
    std::vector<std::string> to_walk;  // trees whose directories are not watched yet
  };
  struct Held {
    LocalChange change;
    Clock::time_point heard;
    size_t path_bytes() const { return change.path.size() + change.new_path.size(); }
  };

  void wake() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  }
  void run();
  int milliseconds_to_next() const;
  void expire_notes(Clock::time_point now);
  void walk_waiting();
  void walk(std::string directory, bool tell_content);
  void walk_new();
  void read_events();
  void take(State& state, const InotifyEvent& event);
  void end_half_rename();
  void hold(LocalChange change);
  void release(Clock::time_point now);

  const UniqueFd inotify_;
  const UniqueFd wake_;
  LocalChangeSink& sink_;
  Guarded<State, LockRank::kLocalChanges> state_;
  // Apart from the tree, which waits for disks: every command that changes something notes it.
  OwnChanges own_;
  std::atomic<bool> is_used_ = false;  // something has been watched
  std::atomic<bool> stopping_ = false;
  // The thread's own.
  std::deque<Held> held_;
  size_t held_bytes_ = 0;
  std::optional<Clock::time_point>
      expire_at_;  // when notes are looked through; none: there are none
  struct HalfRename {
    uint32_t cookie;
    LocalChange change;
  };
  std::optional<HalfRename> half_rename_;
  std::vector<std::string> new_directories_;
  size_t new_bytes_ = 0;
  std::thread thread_;
};

void InotifyChanges::hold(LocalChange change) {
  Held held{std::move(change), Clock::now()};
  if (held_.size() >= kHeldMax || held_bytes_ + held.path_bytes() > kHeldBytesMax) {
    held_.clear();
    held_bytes_ = 0;
    held.change = {.kind = LocalChange::Kind::kLost};
  }
  held_bytes_ += held.path_bytes();
  held_.push_back(std::move(held));
}

// Tells what was held long enough and is not ours.
void InotifyChanges::release(Clock::time_point now) {
  while (!held_.empty() && held_.front().heard + OwnChanges::kSettle <= now) {
    const Held held = std::move(held_.front());
    held_.pop_front();
    held_bytes_ -= held.path_bytes();
    if (!own_.is_echo(held.change, held.heard)) sink_.local_change(held.change);
  }
}

// Not with each of them: a worker that writes all the time is not to wake up for it.
void InotifyChanges::expire_notes(Clock::time_point now) {
  if (expire_at_ && *expire_at_ > now) return;
  expire_at_ = own_.expire(now) ? std::optional(now + OwnChanges::kLife) : std::nullopt;
}

int InotifyChanges::milliseconds_to_next() const {
  std::optional<Clock::time_point> next = expire_at_;
  if (!held_.empty()) {
    const auto settled = held_.front().heard + OwnChanges::kSettle;
    next = next ? std::min(*next, settled) : settled;
  }
  if (!next) return -1;
  const auto left = *next - Clock::now();
  return std::max<int>(
      0, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count()));
}

// Watches a directory of a covered tree and those below. `tell_content`: it is new, so what is in
// it came before there was a watch to tell.
void InotifyChanges::walk(std::string directory, bool tell_content) {
  // What waits is kept by name: a directory may have many in it, and a long path.
  struct Below {
    std::shared_ptr<const std::string> directory;
    std::string name;
  };
  std::vector<Below> todo;
  auto here = std::make_shared<const std::string>(std::move(directory));
  while (!stopping_) {
    const auto children = state_.lock()->tree.add(*here);
    for (const auto& child : children ? *children : std::vector<InotifyTree::Child>{}) {
      if (tell_content) {
        hold({.kind = LocalChange::Kind::kAdded,
              .is_directory = child.is_directory,
              .path = InotifyTree::child_of(*here, child.name)});
      }
      if (child.is_directory) todo.push_back({here, child.name});
    }
    if (todo.empty()) return;
    const Below next = std::move(todo.back());
    todo.pop_back();
    here = std::make_shared<const std::string>(InotifyTree::child_of(*next.directory, next.name));
  }
}

void InotifyChanges::walk_new() {
  new_bytes_ = 0;
  for (std::string& directory : std::exchange(new_directories_, {})) {
    walk(std::move(directory), true);
  }
}

void InotifyChanges::walk_waiting() {
  const std::vector<std::string> trees = std::exchange(state_.lock()->to_walk, {});
  for (const std::string& tree : trees) walk(tree, false);
}

void InotifyChanges::end_half_rename() {
  if (!half_rename_) return;
  LocalChange change = std::move(half_rename_->change);
  half_rename_.reset();
  change.kind = LocalChange::Kind::kRemoved;
  hold(std::move(change));
}

void InotifyChanges::take(State& state, const InotifyEvent& event) {
  using Kind = LocalChange::Kind;
  if (event.mask & IN_Q_OVERFLOW) return hold({.kind = Kind::kLost});
  const bool completes =
      (event.mask & IN_MOVED_TO) && half_rename_ && half_rename_->cookie == event.cookie;
  if (half_rename_ && !completes) end_half_rename();
  const std::string* directory = state.tree.path_of(event.watch);
  if (!directory) return;
  if (event.mask & IN_IGNORED) return state.tree.forget(event.watch);
  if (event.mask & IN_DELETE_SELF) {
    // Whoever watches the directory above hears it from there.
    const std::string above = directory->substr(0, std::max<size_t>(1, directory->rfind('/')));
    if (!state.tree.is_watched(above)) {
      hold({.kind = Kind::kRemoved, .is_directory = true, .path = *directory});
    }
    return;
  }
  if (event.name.empty()) return;  // of the directory itself
  // What the server is making: it is added when it gets its name.
  if (vfs::is_unfinished(event.name)) return;
  const std::string path = InotifyTree::child_of(*directory, event.name);
  const auto found_new = [&] {
    new_bytes_ += path.size();
    new_directories_.push_back(path);
  };
  LocalChange change{.is_directory = (event.mask & IN_ISDIR) != 0, .path = path};
  if (event.mask & IN_MOVED_FROM) {
    change.kind = Kind::kRenamed;
    half_rename_ = {event.cookie, std::move(change)};
    return;
  }
  if (completes) {
    change = std::move(half_rename_->change);
    half_rename_.reset();
    change.new_path = path;
    if (change.is_directory) {
      state.tree.moved(change.path, path);
      found_new();  // what was not watched before
    }
    return hold(std::move(change));
  }
  if (event.mask & (IN_CREATE | IN_MOVED_TO)) {
    change.kind = Kind::kAdded;
    if (change.is_directory) found_new();
  } else if (event.mask & IN_DELETE) {
    change.kind = Kind::kRemoved;
  } else {
    change.filter = (event.mask & IN_MODIFY) ? kFilterOfData : kFilterOfMetadata;
  }
  hold(std::move(change));
}

void InotifyChanges::read_events() {
  std::array<uint8_t, kInotifyReadSize> buffer;
  const ssize_t length = ::read(inotify_.get(), buffer.data(), buffer.size());
  for_each_inotify_event(ByteView(buffer).first(static_cast<size_t>(std::max<ssize_t>(length, 0))),
                         [&](const InotifyEvent& event) {
                           take(*state_.lock(), event);
                           if (new_bytes_ > kNewBytesMax) walk_new();
                         });
  end_half_rename();
  walk_new();
}

void InotifyChanges::run() {
  ::pthread_setname_np(::pthread_self(), "notify");
  if (!assume(server_credentials())) return;
  std::array<pollfd, 2> wanted{pollfd{inotify_.get(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0}};
  while (!stopping_) {
    if (::poll(wanted.data(), wanted.size(), milliseconds_to_next()) < 0 && errno != EINTR) return;
    if (wanted[1].revents & POLLIN) {
      uint64_t count;
      [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
      walk_waiting();
    }
    if (wanted[0].revents & POLLIN) read_events();
    release(Clock::now());
    expire_notes(Clock::now());
  }
}

}  // namespace

std::unique_ptr<LocalChanges> open_inotify(LocalChangeSink& sink) {
  UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!inotify || !wake) return nullptr;
  return std::make_unique<InotifyChanges>(std::move(inotify), std::move(wake), sink);
}

}  // namespace braid::smb2
