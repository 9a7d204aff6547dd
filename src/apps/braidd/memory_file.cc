#include "apps/braidd/memory_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace braid::braidd {

Result<UniqueFd> make_memory_file(std::string_view text) {
  UniqueFd fd(::memfd_create("braid-config", MFD_CLOEXEC));
  if (!fd) return fail_last_os();
  while (!text.empty()) {
    const ssize_t written = ::write(fd.get(), text.data(), text.size());
    if (written < 0) return fail_last_os();
    text.remove_prefix(static_cast<size_t>(written));
  }
  return fd;
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
