#include "transport/relay/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace braid::transport::relay {
namespace {

constexpr int kSizeIsSealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

}  // namespace

Result<SharedMemory> SharedMemory::make(size_t size) {
  UniqueFd fd(::memfd_create("braid-relay", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_last_os();
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return fail_last_os();
  if (::fcntl(fd.get(), F_ADD_SEALS, kSizeIsSealed) != 0) return fail_last_os();
  return map(std::move(fd), size);
}

Result<SharedMemory> SharedMemory::map(UniqueFd fd, size_t size) {
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSizeIsSealed) != kSizeIsSealed) return fail(Error::malformed());
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return fail_last_os();
  if (static_cast<uint64_t>(status.st_size) != size) return fail(Error::malformed());
  void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return fail_last_os();
  return SharedMemory(std::move(fd), {static_cast<uint8_t*>(at), size});
}

SharedMemory::~SharedMemory() {
  if (!memory_.empty()) ::munmap(memory_.data(), memory_.size());
}

}  // namespace braid::transport::relay
