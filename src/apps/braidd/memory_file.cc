#include "apps/braidd/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace braid::braidd {
namespace {

constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

Result<UniqueFd> make_file(const char* name, unsigned flags, std::string_view text) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | flags));
  if (!fd) return fail_last_os();
  while (!text.empty()) {
    const ssize_t written = ::write(fd.get(), text.data(), text.size());
    if (written < 0) return fail_last_os();
    text.remove_prefix(static_cast<size_t>(written));
  }
  return fd;
}

}  // namespace

Result<UniqueFd> make_memory_file(std::string_view text) {
  return make_file("braid-config", 0, text);
}

Result<UniqueFd> make_sealed_file(ByteView bytes) {
  BRAID_TRY(UniqueFd fd, make_file("braid-state", MFD_ALLOW_SEALING, as_text(bytes)));
  if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) return fail_last_os();
  return fd;
}

Result<Bytes> read_sealed_file(int fd) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) return fail_os(EPERM);
  struct stat status{};
  if (::fstat(fd, &status) != 0) return fail_last_os();
  Bytes bytes(static_cast<size_t>(status.st_size));
  size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t count =
        ::pread(fd, bytes.data() + got, bytes.size() - got, static_cast<off_t>(got));
    if (count < 0) return fail_last_os();
    if (count == 0) return fail_os(EIO);
    got += static_cast<size_t>(count);
  }
  return bytes;
}

std::string read_memory_file(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return {};
  std::string text(static_cast<size_t>(status.st_size), '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

}  // namespace braid::braidd
