#include "smb2/notify/file_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "runtime/identity.h"

// Newer than the C library of Debian 12. The mark does not keep the inode in memory.
#ifndef FAN_MARK_EVICTABLE
#define FAN_MARK_EVICTABLE 0x00000200
#endif

namespace braid::smb2 {
namespace {

constexpr uint64_t kOfFiles = FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE_WRITE | FAN_MOVE_SELF;
constexpr uint64_t kOfDirectories = FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO |
                                    FAN_MODIFY | FAN_ATTRIB | FAN_MOVE_SELF | FAN_ONDIR |
                                    FAN_EVENT_ON_CHILD;
// For one read(): some hundred events.
constexpr size_t kWatchReadSize = 32u << 10;
// Between two reads: somebody who changes something will go on with that, and the kernel puts
// events together that nobody has read yet. It is the longest that this thread adds to the time
// until clients hear of a change, and bounds what a storm of changes costs.
constexpr int kPauseMs = 1;

// A struct file_handle with room for the largest.
struct WatchHandleRoom {
  alignas(file_handle) std::array<char, sizeof(file_handle) + MAX_HANDLE_SZ> bytes{};
  file_handle* get() { return reinterpret_cast<file_handle*>(bytes.data()); }
};

Result<DirectoryHandle> handle_of(int descriptor) {
  struct statfs info{};
  if (::fstatfs(descriptor, &info) != 0) return fail_last_os();
  WatchHandleRoom room;
  room.get()->handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (::name_to_handle_at(descriptor, "", room.get(), &mount_id, AT_EMPTY_PATH) != 0) {
    return fail_last_os();
  }
  DirectoryHandle handle;
  static_assert(sizeof info.f_fsid == sizeof handle.file_system);
  std::memcpy(&handle.file_system, &info.f_fsid, sizeof handle.file_system);
  handle.type = room.get()->handle_type;
  handle.bytes.assign(reinterpret_cast<const char*>(room.get()->f_handle),
                      room.get()->handle_bytes);
  return handle;
}

}  // namespace

FileWatch::FileWatch(FileWatchSink& sink, std::function<bool(pid_t)> is_ours)
    : sink_(sink), is_ours_(std::move(is_ours)) {}

Result<void> FileWatch::start() {
  if (is_started_) return {};
  const std::lock_guard lock(starting_);
  if (stopping_) return fail_os(ECANCELED);
  if (is_started_) return {};
  constexpr unsigned kFlags =
      FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_FID | FAN_REPORT_DIR_FID;
  UniqueFd group(::fanotify_init(kFlags | FAN_UNLIMITED_MARKS, O_RDONLY));
  if (!group && errno == EPERM) group.reset(::fanotify_init(kFlags, O_RDONLY));
  if (!group) return fail_last_os();
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake) return fail_last_os();
  group_ = std::move(group);
  wake_ = std::move(wake);
  thread_ = std::thread([this] { run(); });
  is_started_ = true;
  return {};
}

void FileWatch::stop() {
  {
    const std::lock_guard lock(starting_);
    stopping_ = true;
  }
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  thread_.join();
}

Result<void> FileWatch::mark(unsigned flags, int descriptor, bool is_directory) const {
  const uint64_t mask = is_directory ? kOfDirectories : kOfFiles;
  const auto try_it = [&]() -> Result<void> {
    if (::fanotify_mark(group_.get(), flags, mask, descriptor, nullptr) == 0) return {};
    if (errno != EBADF) return fail_last_os();
    // An O_PATH descriptor is taken by its name only.
    const std::string name = "/proc/self/fd/" + std::to_string(descriptor);
    if (::fanotify_mark(group_.get(), flags, mask, AT_FDCWD, name.c_str()) == 0) return {};
    return fail_last_os();
  };
  auto done = try_it();
  if (done || !done.error().is_os(EACCES)) return done;
  // What its user may not read can be cached as well.
  const ScopedPrivilege privilege;
  BRAID_CHECK(privilege.status());
  return try_it();
}

std::shared_ptr<FileWatch::Marking> FileWatch::marking(const FileKey& file) {
  auto state = state_.lock();
  auto& of_device = state->devices[file.device];
  if (!of_device) of_device = std::make_shared<Marking>();
  return of_device;
}

Result<void> FileWatch::watch(const FileKey& file, int descriptor, bool is_directory) {
  BRAID_CHECK(start());
  const auto marking = this->marking(file);
  const auto held = marking->lock();
  {
    auto state = state_.lock();
    const auto known = state->files.find(file);
    if (known != state->files.end()) {
      ++known->second.uses;
      return {};
    }
  }
  BRAID_TRY(DirectoryHandle handle, handle_of(descriptor));
  // Known before it is marked: an event of it may be there at once.
  {
    auto state = state_.lock();
    state->by_handle[handle] = file;
    state->files[file] = {.handle = handle, .uses = 1, .is_directory = is_directory};
  }
  auto done = mark(FAN_MARK_ADD | FAN_MARK_EVICTABLE, descriptor, is_directory);
  if (!done) {
    auto state = state_.lock();
    state->by_handle.erase(handle);
    state->files.erase(file);
  }
  return done;
}

void FileWatch::unwatch(const FileKey& file, int descriptor) {
  const auto marking = this->marking(file);
  const auto held = marking->lock();
  bool is_directory = false;
  {
    auto state = state_.lock();
    const auto known = state->files.find(file);
    if (known == state->files.end() || --known->second.uses != 0) return;
    is_directory = known->second.is_directory;
    state->by_handle.erase(known->second.handle);
    state->files.erase(known);
  }
  // Should that fail, the mark goes with the inode, and is nobody's until then.
  (void)mark(FAN_MARK_REMOVE, descriptor, is_directory);
}

bool FileWatch::read_events() {
  alignas(fanotify_event_metadata) std::array<uint8_t, kWatchReadSize> buffer;
  const ssize_t length = ::read(group_.get(), buffer.data(), buffer.size());
  if (length <= 0) return false;
  const pid_t self = ::getpid();
  std::vector<FileKey> changed;
  for (const FanotifyRecord& record :
       decode_fanotify(ByteView(buffer.data(), static_cast<size_t>(length)))) {
    if (record.mask & FAN_Q_OVERFLOW) {
      changed.clear();
      auto state = state_.lock();
      for (const auto& [file, entry] : state->files) changed.push_back(file);
      break;
    }
    if (record.pid == self || (record.pid != 0 && is_ours_ && is_ours_(record.pid))) continue;
    auto state = state_.lock();
    for (const auto* handle : {&record.directory, &record.object}) {
      if (!*handle) continue;
      const auto known = state->by_handle.find(**handle);
      if (known != state->by_handle.end()) changed.push_back(known->second);
    }
  }
  std::ranges::sort(changed);
  const auto twice = std::ranges::unique(changed);
  changed.erase(twice.begin(), twice.end());
  if (!changed.empty()) sink_.changed_elsewhere(changed);
  return true;
}

void FileWatch::run() {
  ::pthread_setname_np(::pthread_self(), "file watch");
  std::array<pollfd, 2> wanted{pollfd{group_.get(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0}};
  while (!stopping_) {
    if (::poll(wanted.data(), wanted.size(), -1) < 0 && errno != EINTR) return;
    if (wanted[1].revents != 0) return;
    if (wanted[0].revents & (POLLERR | POLLNVAL)) return;
    if (!(wanted[0].revents & POLLIN)) continue;
    while (read_events()) {
      if (stopping_) return;
    }
    if (::poll(&wanted[1], 1, kPauseMs) > 0) return;
  }
}

}  // namespace braid::smb2
