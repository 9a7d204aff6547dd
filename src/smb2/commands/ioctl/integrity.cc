// [MS-FSA] 2.1.5.10.10 "FSCTL_GET_INTEGRITY_INFORMATION" and 2.1.5.10.33
// "FSCTL_SET_INTEGRITY_INFORMATION".
#include "smb2/commands/ioctl/ioctl.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

// [MS-FSCC] 2.3.20 "FSCTL_GET_INTEGRITY_INFORMATION Reply" and 2.3.73, ChecksumAlgorithm.
constexpr uint16_t kChecksumNone = 0;
constexpr uint16_t kChecksumCrc32 = 1;
constexpr uint16_t kChecksumCrc64 = 2;  // the last that is defined
constexpr uint16_t kChecksumUnchanged = 0xFFFF;
constexpr uint32_t kEnforcementOff = 0x00000001;
constexpr size_t kReplySize = 16;
// What btrfs sums up at a time.
constexpr uint32_t kChecksumChunk = 4096;

// ChecksumAlgorithm of the open. STATUS_INVALID_DEVICE_REQUEST where the file system has none: then
// there is nothing to ask or to set.
Result<uint16_t> algorithm_of(Open& open) {
  const auto has = open.whole_file().has_checksums();
  if (!has && has.error().is_os(EOPNOTSUPP)) return fail(NtStatus::kInvalidDeviceRequest);
  if (!has) return fail(has.error());
  return *has ? kChecksumCrc32 : kChecksumNone;
}

}  // namespace

Task<Result<IoctlAnswer>> ioctl_get_integrity(Request& request, const wire::IoctlRequest& ioctl) {
  BRAID_CO_TRY(const uint16_t algorithm, algorithm_of(*request.open));
  if (ioctl.max_output_response < kReplySize) co_return fail(NtStatus::kInvalidParameter);
  BRAID_CO_TRY(const auto space, request.open->whole_file().space());
  IoctlAnswer answer;
  wire::Writer writer(answer.output);
  writer.u16(algorithm);
  writer.u16(0);
  writer.u32(0);                                                // Flags
  writer.u32(algorithm == kChecksumNone ? 0 : kChecksumChunk);  // ChecksumChunkSizeInBytes
  writer.u32(space.block_size);                                 // ClusterSizeInBytes
  co_return answer;
}

Task<Result<IoctlAnswer>> ioctl_set_integrity(Request& request, const wire::IoctlRequest& ioctl) {
  BRAID_CO_TRY(const uint16_t now, algorithm_of(*request.open));
  wire::Reader reader(ioctl.input);
  const uint16_t algorithm = reader.u16();
  reader.skip(2);
  const uint32_t flags = reader.u32();
  const bool is_known = algorithm <= kChecksumCrc64 || algorithm == kChecksumUnchanged;
  if (!reader.ok() || !is_known || (flags & ~kEnforcementOff)) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  const bool will_have_none =
      algorithm == kChecksumUnchanged ? now == kChecksumNone : algorithm == kChecksumNone;
  if (will_have_none && flags) co_return fail(NtStatus::kInvalidParameter);
  if (!request.open->has_access(wire::Access::kFileWriteData |
                                wire::Access::kFileWriteAttributes)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  // What a file has follows from how it was made, and a wrong sum always fails the READ.
  const bool changes_nothing = algorithm == kChecksumUnchanged || algorithm == now;
  if (!changes_nothing || flags) co_return fail(NtStatus::kNotSupported);
  co_return IoctlAnswer{};
}

}  // namespace braid::smb2
