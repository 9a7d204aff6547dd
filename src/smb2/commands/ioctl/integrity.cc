// [MS-FSA] 2.1.5.10.10 "FSCTL_GET_INTEGRITY_INFORMATION" and 2.1.5.10.33
// "FSCTL_SET_INTEGRITY_INFORMATION".
#include "smb2/commands/ioctl/ioctl.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

// [MS-FSCC] 2.3.20 "FSCTL_GET_INTEGRITY_INFORMATION Reply" and 2.3.73, ChecksumAlgorithm.
constexpr uint16_t kChecksumNone = 0;
constexpr uint16_t kChecksumUnchanged = 0xFFFF;
constexpr uint16_t kChecksumCrc64 = 2;  // the last that is defined; kCrc32 before it
constexpr uint32_t kEnforcementOff = 0x00000001;
constexpr size_t kReplySize = 16;

}  // namespace

// Whether blocks have checksums is the business of the file system, for all files alike. A client
// compares the two files of a block clone by this: they must say the same.
Task<Result<IoctlAnswer>> ioctl_get_integrity(Request& request, const wire::IoctlRequest& ioctl) {
  if (ioctl.max_output_response < kReplySize) co_return fail(NtStatus::kInvalidParameter);
  BRAID_CO_TRY(const auto space, request.tree_connect->share->volume->space(request.credentials()));
  IoctlAnswer answer;
  wire::Writer writer(answer.output);
  writer.u16(kChecksumNone);
  writer.u16(0);
  writer.u32(0);                 // Flags
  writer.u32(0);                 // ChecksumChunkSizeInBytes
  writer.u32(space.block_size);  // ClusterSizeInBytes
  co_return answer;
}

Task<Result<IoctlAnswer>> ioctl_set_integrity(Request& request, const wire::IoctlRequest& ioctl) {
  wire::Reader reader(ioctl.input);
  const uint16_t algorithm = reader.u16();
  reader.skip(2);
  const uint32_t flags = reader.u32();
  const bool is_known = algorithm <= kChecksumCrc64 || algorithm == kChecksumUnchanged;
  if (!reader.ok() || !is_known || (flags & ~kEnforcementOff)) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  // Nothing is enforced that could be turned off.
  const bool changes_nothing = algorithm == kChecksumNone || algorithm == kChecksumUnchanged;
  if (changes_nothing && flags) co_return fail(NtStatus::kInvalidParameter);
  if (!request.open->has_access(wire::Access::kFileWriteData |
                                wire::Access::kFileWriteAttributes)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  if (!changes_nothing) co_return fail(NtStatus::kNotSupported);
  co_return IoctlAnswer{};
}

}  // namespace braid::smb2
