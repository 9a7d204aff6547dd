#include "base/close_from.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace braid {
namespace {

// One number on every machine; newer than some headers.
constexpr long kCloseRange = 436;
// Before Linux 5.9: what a process has by default.
constexpr int kDescriptorsByDefault = 1024;

}  // namespace

void close_from(int first) {
  if (::syscall(kCloseRange, static_cast<unsigned>(first), ~0u, 0u) == 0) return;
  for (int fd = first; fd < kDescriptorsByDefault; ++fd) ::close(fd);
}

}  // namespace braid
