// Changes from fanotify: one mark for each file system that is watched, file handles for
// directories, and the process that made the change.
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <thread>
#include <unordered_map>

#include "base/guarded.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "runtime/identity.h"
#include "smb2/notify/fanotify_record.h"
#include "smb2/notify/paths.h"

namespace braid::smb2 {
namespace {

constexpr uint64_t kMask =
    FAN_CREATE | FAN_DELETE | FAN_RENAME | FAN_MODIFY | FAN_ATTRIB | FAN_ONDIR;
// For one read(): some hundred events.
constexpr size_t kReadSize = 64u << 10;

// A struct file_handle with room for the largest.
struct HandleRoom {
  alignas(file_handle) std::array<char, sizeof(file_handle) + MAX_HANDLE_SZ> bytes{};
  file_handle* get() { return reinterpret_cast<file_handle*>(bytes.data()); }
};

uint64_t file_system_of(int fd) {
  struct statfs info{};
  if (::fstatfs(fd, &info) != 0) return 0;
  uint64_t id = 0;
  static_assert(sizeof info.f_fsid == sizeof id);
  std::memcpy(&id, &info.f_fsid, sizeof id);
  return id;
}

std::optional<std::string> path_of_descriptor(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0 || info.st_nlink == 0) return std::nullopt;
  std::array<char, PATH_MAX> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = ::readlink(link.c_str(), path.data(), path.size());
  if (length <= 0 || path[0] != '/') return std::nullopt;
  return std::string(path.data(), static_cast<size_t>(length));
}

class FanotifyChanges final : public LocalChanges {
 public:
  FanotifyChanges(UniqueFd group, UniqueFd wake, LocalChangeSink& sink,
                  std::function<bool(pid_t)> is_ours)
      : group_(std::move(group)),
        wake_(std::move(wake)),
        sink_(sink),
        is_ours_(std::move(is_ours)),
        thread_([this] { run(); }) {}
  ~FanotifyChanges() override { stop(); }

  uint64_t watch(const LocalWatch& watch) override;
  void unwatch(uint64_t watch) override;
  void stop() override {
    if (!thread_.joinable()) return;
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
    thread_.join();
  }

 private:
  struct Marked {
    std::shared_ptr<const UniqueFd> directory;  // any of the file system
    uint64_t file_system = 0;
    size_t watches = 0;
  };
  using Devices = std::unordered_map<uint64_t, Marked>;  // the device is the watch's number
  using Paths = std::map<DirectoryHandle, std::optional<std::string>>;

  void run();
  bool read_events();
  static bool watch_again(Devices& marked, uint64_t device);
  std::optional<std::string> path_of(const DirectoryHandle& directory);

  const UniqueFd group_;
  const UniqueFd wake_;
  LocalChangeSink& sink_;
  const std::function<bool(pid_t)> is_ours_;
  Guarded<Devices, LockRank::kLocalChanges> marked_;
  std::thread thread_;
};

uint64_t FanotifyChanges::watch(const LocalWatch& watch) {
  if (watch.device == 0) return 0;
  if (auto marked = marked_.lock(); watch_again(*marked, watch.device)) return watch.device;
  // Without the lock, which others need whose disk does answer.
  auto directory = std::make_shared<UniqueFd>(open_directory(watch.root, watch.directory));
  if (!*directory) return 0;
  ScopedPrivilege privilege;
  // Whether directories can be found by their handles at all: not on every file system, and not
  // without CAP_DAC_READ_SEARCH.
  HandleRoom handle;
  handle.get()->handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (::name_to_handle_at(directory->get(), "", handle.get(), &mount_id, AT_EMPTY_PATH) != 0) {
    return 0;
  }
  const UniqueFd again(
      ::open_by_handle_at(directory->get(), handle.get(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const uint64_t file_system = file_system_of(directory->get());
  if (!again || file_system == 0) return 0;
  auto marked = marked_.lock();
  if (watch_again(*marked, watch.device)) return watch.device;
  if (::fanotify_mark(group_.get(), FAN_MARK_ADD | FAN_MARK_FILESYSTEM, kMask, directory->get(),
                      nullptr) != 0) {
    log::debug("{} cannot be watched through fanotify: {}", watch.root, std::strerror(errno));
    return 0;
  }
  marked->emplace(watch.device, Marked{std::move(directory), file_system, 1});
  return watch.device;
}

bool FanotifyChanges::watch_again(Devices& marked, uint64_t device) {
  const auto found = marked.find(device);
  if (found == marked.end()) return false;
  ++found->second.watches;
  return true;
}

void FanotifyChanges::unwatch(uint64_t watch) {
  auto marked = marked_.lock();
  const auto found = marked->find(watch);
  if (found == marked->end() || --found->second.watches != 0) return;
  ::fanotify_mark(group_.get(), FAN_MARK_REMOVE | FAN_MARK_FILESYSTEM, kMask,
                  found->second.directory->get(), nullptr);
  marked->erase(found);
}

std::optional<std::string> FanotifyChanges::path_of(const DirectoryHandle& directory) {
  std::shared_ptr<const UniqueFd> mount;
  {
    auto marked = marked_.lock();
    for (const auto& [device, each] : *marked) {
      if (each.file_system == directory.file_system) mount = each.directory;
    }
  }
  HandleRoom handle;
  if (!mount || directory.bytes.size() > MAX_HANDLE_SZ) return std::nullopt;
  handle.get()->handle_bytes = static_cast<unsigned>(directory.bytes.size());
  handle.get()->handle_type = directory.type;
  std::memcpy(handle.get()->f_handle, directory.bytes.data(), directory.bytes.size());
  const UniqueFd fd(
      ::open_by_handle_at(mount->get(), handle.get(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  return path_of_descriptor(fd.get());
}

bool FanotifyChanges::read_events() {
  alignas(fanotify_event_metadata) std::array<uint8_t, kReadSize> buffer;
  const ssize_t length = ::read(group_.get(), buffer.data(), buffer.size());
  if (length <= 0) return false;
  const int32_t self = ::getpid();
  Paths paths;
  const auto known_path = [&](const DirectoryHandle& directory) {
    const auto found = paths.find(directory);
    return found != paths.end() ? found->second
                                : paths.emplace(directory, path_of(directory)).first->second;
  };
  const auto exists = [](const std::string& path) {
    struct stat info{};
    return ::lstat(path.c_str(), &info) == 0;
  };
  for (const FanotifyRecord& record :
       decode_fanotify(ByteView(buffer.data(), static_cast<size_t>(length)))) {
    // What the server did is told by the command that did it.
    const bool ours = record.pid == self || (is_ours_ && is_ours_(record.pid));
    if (ours && !(record.mask & FAN_Q_OVERFLOW)) {
      if (record.mask & FAN_RENAME) paths.clear();
      continue;
    }
    for (const LocalChange& change : changes_of(record, known_path, exists)) {
      sink_.local_change(change);
      if (change.kind == LocalChange::Kind::kRenamed && change.is_directory) paths.clear();
    }
  }
  return true;
}

void FanotifyChanges::run() {
  ::pthread_setname_np(::pthread_self(), "notify");
  if (!assume(server_credentials())) return;
  std::array<pollfd, 2> wanted{pollfd{group_.get(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0}};
  for (;;) {
    if (::poll(wanted.data(), wanted.size(), -1) < 0 && errno != EINTR) return;
    if (wanted[1].revents != 0) return;
    if (wanted[0].revents & (POLLERR | POLLNVAL)) return;
    if (wanted[0].revents & POLLIN) read_events();
  }
}

}  // namespace

std::unique_ptr<LocalChanges> open_fanotify(LocalChangeSink& sink,
                                            std::function<bool(pid_t)> is_ours) {
  UniqueFd group(::fanotify_init(
      FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME_TARGET, O_RDONLY));
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  if (!group || !wake) return nullptr;
  // Without the right to mark whole file systems the group could be made all the same.
  if (::fanotify_mark(group.get(), FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_CREATE, AT_FDCWD, "/") !=
          0 &&
      errno == EPERM) {
    return nullptr;
  }
  ::fanotify_mark(group.get(), FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD, nullptr);
  return std::make_unique<FanotifyChanges>(std::move(group), std::move(wake), sink,
                                           std::move(is_ours));
}

}  // namespace braid::smb2
