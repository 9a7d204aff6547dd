#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <chrono>
#include <string_view>
#include <thread>

#include "base/file_system.h"
#include "runtime/identity.h"
#include "store/log_folder.h"

namespace braid::store {
namespace {

Result<void> checked(int result) {
  if (result != 0) return fail_last_os();
  return {};
}

// To read a large log and to find the files of all its opens takes a second or two.
constexpr std::chrono::seconds kAloneWait{60};
constexpr std::chrono::milliseconds kAloneLook{5};

// Reading, writing and syncing an open file take no rights. All else is done as the server: the
// calling thread, one of the pool's, may act as a user still. An error on a reactor.
class PosixLogFile final : public LogFile {
 public:
  explicit PosixLogFile(UniqueFd fd) : fd_(std::move(fd)) {}

  Result<uint64_t> size() override {
    struct stat about{};
    BRAID_CHECK(checked(::fstat(fd_.get(), &about)));
    return static_cast<uint64_t>(about.st_size);
  }

  Result<size_t> read(uint64_t position, MutableByteView into) override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = ::pread(fd_.get(), into.data() + done, into.size() - done,
                                  static_cast<off_t>(position + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_last_os();
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Result<size_t> write(uint64_t position, ByteView bytes) override {
    for (;;) {
      const ssize_t put =
          ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(position));
      if (put > 0) return static_cast<size_t>(put);
      if (put == 0) return fail_os(EIO);
      if (errno != EINTR) return fail_last_os();
    }
  }

  Result<void> allocate(uint64_t end) override {
    const ScopedPrivilege privilege;
    BRAID_CHECK(privilege.status());
    int result = 0;
    do {
      result = ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(end));
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno == EOPNOTSUPP) {
      // The length at least, so that a write does not change it.
      BRAID_TRY(const uint64_t now, size());
      if (now >= end) return {};
      result = ::ftruncate(fd_.get(), static_cast<off_t>(end));
    }
    return checked(result);
  }

  Result<void> sync() override { return checked(::fdatasync(fd_.get())); }

 private:
  const UniqueFd fd_;
};

class PosixLogFolder final : public LogFolder {
 public:
  explicit PosixLogFolder(UniqueFd folder) : folder_(std::move(folder)) {}

  Result<std::vector<std::string>> list() override {
    const ScopedPrivilege privilege;
    BRAID_CHECK(privilege.status());
    // A description of its own, whose place in the directory is nobody else's.
    UniqueFd again(::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!again) return fail_last_os();
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(again.get()), ::closedir);
    if (!stream) return fail_last_os();
    static_cast<void>(again.release());
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* const entry = ::readdir(stream.get());
      if (!entry) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return fail_last_os();
    return names;
  }

  Result<std::unique_ptr<LogFile>> open(const std::string& name) override {
    BRAID_TRY(UniqueFd fd, opened(name, O_RDONLY));
    return std::make_unique<PosixLogFile>(std::move(fd));
  }
  Result<std::optional<std::unique_ptr<LogFile>>> claim(const std::string& name) override {
    BRAID_TRY(UniqueFd fd, opened(name, O_RDONLY));
    struct statfs about{};
    if (::fstatfs(fd.get(), &about) != 0) return fail_last_os();
    if (!is_of_one_kernel(static_cast<long>(about.f_type))) return fail_os(EOPNOTSUPP);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return std::nullopt;
      return fail_last_os();
    }
    // Whoever had it may have removed it meanwhile.
    struct stat now{};
    if (::fstat(fd.get(), &now) != 0) return fail_last_os();
    if (now.st_nlink == 0) return fail_os(ENOENT);
    return std::make_unique<PosixLogFile>(std::move(fd));
  }
  Result<std::unique_ptr<LogFile>> create(const std::string& name) override {
    BRAID_TRY(UniqueFd fd, opened(name, O_RDWR | O_CREAT | O_EXCL));
    // For claim(); where the file system has no such locks, it does not ask for them either. Under
    // this name nobody else looks for it yet.
    (void)::flock(fd.get(), LOCK_EX | LOCK_NB);
    return std::make_unique<PosixLogFile>(std::move(fd));
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    const ScopedPrivilege privilege;
    BRAID_CHECK(privilege.status());
    return checked(::renameat(folder_.get(), from.c_str(), folder_.get(), to.c_str()));
  }
  Result<void> remove(const std::string& name) override {
    const ScopedPrivilege privilege;
    BRAID_CHECK(privilege.status());
    return checked(::unlinkat(folder_.get(), name.c_str(), 0));
  }
  Result<void> sync() override { return checked(::fsync(folder_.get())); }
  Result<std::shared_ptr<const void>> alone() override {
    const ScopedPrivilege privilege;
    BRAID_CHECK(privilege.status());
    auto own = std::make_shared<UniqueFd>(
        ::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!*own) return fail_last_os();
    const auto end = std::chrono::steady_clock::now() + kAloneWait;
    while (::flock(own->get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) return fail_last_os();
      if (std::chrono::steady_clock::now() >= end) return fail_os(ETIMEDOUT);
      std::this_thread::sleep_for(kAloneLook);
    }
    return own;
  }

 private:
  Result<UniqueFd> opened(const std::string& name, int flags) {
    const ScopedPrivilege privilege;
    BRAID_CHECK(privilege.status());
    // O_NONBLOCK: whatever lies there, opening it does not wait.
    UniqueFd fd(
        ::openat(folder_.get(), name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (!fd) return fail_last_os();
    struct stat about{};
    BRAID_CHECK(checked(::fstat(fd.get(), &about)));
    if (!S_ISREG(about.st_mode)) return fail_os(EINVAL);
    // What others can write is nothing that the server has said.
    if (about.st_uid != server_credentials()->uid || (about.st_mode & (S_IWGRP | S_IWOTH))) {
      return fail_os(EPERM);
    }
    return fd;
  }

  const UniqueFd folder_;
};

}  // namespace

std::unique_ptr<LogFolder> open_posix_log_folder(UniqueFd folder) {
  return std::make_unique<PosixLogFolder>(std::move(folder));
}

}  // namespace braid::store
