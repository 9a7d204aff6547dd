#include "auth/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

namespace braid::auth {
namespace {

Result<void> write_all(int fd, ByteView content) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return fail_last_os();
    }
    content = content.subspan(static_cast<size_t>(written));
  }
  return {};
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> sync_folder(const std::string& path) {
  const FileHandle folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || fsync(folder.get()) != 0) return fail_last_os();
  return {};
}

// A new file beside `path` with the content on stable storage. Removed again on failure.
Result<std::string> write_beside(const std::string& path, ByteView content) {
  std::string temporary = path + ".XXXXXX";
  const FileHandle file(mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (file.get() < 0) return fail_last_os();
  auto written = write_all(file.get(), content);
  if (written && fsync(file.get()) != 0) written = fail_last_os();
  if (!written) {
    unlink(temporary.c_str());
    return fail(written.error());
  }
  return temporary;
}

}  // namespace

FileHandle::~FileHandle() {
  if (fd_ >= 0) close(fd_);
}

Result<void> ensure_folder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail_last_os();
  return {};
}

Result<FileContent> read_file(const std::string& path) {
  const FileHandle file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (file.get() < 0) return fail_last_os();
  FileContent content;
  if (fstat(file.get(), &content.status) != 0) return fail_last_os();
  uint8_t chunk[16 * 1024];
  while (true) {
    const ssize_t got = read(file.get(), chunk, sizeof chunk);
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail_last_os();
    }
    if (got == 0) return content;
    content.bytes.insert(content.bytes.end(), chunk, chunk + got);
    if (content.bytes.size() > kStateFileSizeMax) return fail_os(EFBIG);
  }
}

Result<void> replace_file(const std::string& path, ByteView content) {
  BRAID_TRY(const std::string temporary, write_beside(path, content));
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(temporary.c_str());
    return fail_os(error);
  }
  return sync_folder(folder_of(path));
}

Result<Bytes> read_or_create(const std::string& folder, const std::string& name, ByteView initial) {
  const std::string path = folder + "/" + name;
  auto content = read_file(path);
  if (!content && content.error().is_os(ENOENT)) {
    BRAID_TRY(const std::string temporary, write_beside(path, initial));
    // link() fails where rename() would replace what another process has just made.
    const bool linked = link(temporary.c_str(), path.c_str()) == 0;
    const int error = errno;
    unlink(temporary.c_str());
    if (!linked && error != EEXIST) return fail_os(error);
    BRAID_CHECK(sync_folder(folder));
    content = read_file(path);
  }
  if (!content) return fail(content.error());
  if ((content->status.st_mode & 077) != 0) {
    return fail_os(EPERM);
  }
  return std::move(content->bytes);
}

Result<FileHandle> lock_file(const std::string& path) {
  FileHandle file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (file.get() < 0) return fail_last_os();
  while (flock(file.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return fail_last_os();
  }
  return file;
}

}  // namespace braid::auth
