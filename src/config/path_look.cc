#include "config/path_look.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>

#include "base/ask_apart.h"
#include "base/unique_fd.h"

namespace braid::config {
namespace {

// So many disks may hang before those that do not are held up as well.
constexpr size_t kThreadsMax = 32;

struct Record {
  uint32_t index = 0;
  PathLook look;
};

// Not by the text of the path: links, and spellings of one folder.
void look_at_folder(const std::string& path, PathLook& look) {
  UniqueFd folder(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  while (folder && look.folder_count < look.folders.size()) {
    struct statx st{};
    if (::statx(folder.get(), "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) != 0) return;
    const FolderNumber number{::makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino};
    if (look.folder_count == 0) look.keeps_birth = (st.stx_mask & STATX_BTIME) != 0;
    if (look.folder_count != 0 && look.folders[look.folder_count - 1] == number) return;  // "/"
    look.folders[look.folder_count++] = number;
    folder.reset(::openat(folder.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
}

PathLook look_at_one(const std::string& path) {
  PathLook look{.answers = true};
  struct stat status{};
  look.is_link = ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
  if (::stat(path.c_str(), &status) != 0) {
    look.error = errno;
    return look;
  }
  look.is_directory = S_ISDIR(status.st_mode);
  look.is_file = S_ISREG(status.st_mode);
  look.is_open = (status.st_mode & 0027) != 0;
  if (look.is_directory) look_at_folder(path, look);
  if (look.is_file && ::access(path.c_str(), R_OK) != 0) look.read_error = errno;
  return look;
}

struct Work {
  std::vector<std::string> paths;
  std::atomic<uint32_t> next = 0;
};

void work_off(Work& work, int out) {
  for (uint32_t i = work.next++; i < work.paths.size(); i = work.next++) {
    const Record record{i, look_at_one(work.paths[i])};
    // Shorter than PIPE_BUF: whole, and not mixed with another's.
    if (::write(out, &record, sizeof record) != static_cast<ssize_t>(sizeof record)) return;
  }
}

}  // namespace

bool PathLook::is_in(const FolderNumber& folder) const {
  const auto end = folders.begin() + folder_count;
  return std::find(folders.begin(), end, folder) != end;
}

bool PathLook::overlaps(const PathLook& other) const {
  if (folder_count == 0 || other.folder_count == 0) return false;
  return is_in(other.folders[0]) || other.is_in(folders[0]);
}

std::vector<PathLook> look_at(const std::vector<std::string>& paths) {
  std::vector<PathLook> looks(paths.size());
  if (paths.empty()) return looks;
  auto work = std::make_shared<Work>();
  work->paths = paths;
  const auto told = ask_apart([work](int out) {
    std::vector<std::jthread> threads;
    try {
      while (threads.size() < std::min(kThreadsMax, work->paths.size())) {
        threads.emplace_back([work, out] { work_off(*work, out); });
      }
    } catch (const std::system_error&) {
      // Those that there are do it.
      if (threads.empty()) work_off(*work, out);
    }
  });
  if (!told) return looks;
  for (size_t at = 0; at + sizeof(Record) <= told->bytes.size(); at += sizeof(Record)) {
    Record record;
    std::memcpy(&record, told->bytes.data() + at, sizeof record);
    if (record.index < looks.size()) looks[record.index] = record.look;
  }
  return looks;
}

}  // namespace braid::config
