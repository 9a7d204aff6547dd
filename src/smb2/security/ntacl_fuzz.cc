// The attribute a descriptor is stored in, and the kernel's access lists. Both may be written by
// local programs.
#include <cstdlib>

#include "smb2/security/ntacl.h"
#include "smb2/security/posix_acl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  const ByteView bytes(data, size);
  if (auto acl = smb2::NtAcl::decode(bytes)) {
    // What was understood is understood the same once written.
    const auto written = acl->encode();
    const auto again = written ? smb2::NtAcl::decode(*written) : acl;
    if (again && again->descriptor.owner != acl->descriptor.owner) std::abort();
  }
  if (auto list = smb2::PosixAcl::decode(bytes)) {
    if (smb2::PosixAcl::decode(list->encode()) != *list) std::abort();
  }
  return 0;
}
