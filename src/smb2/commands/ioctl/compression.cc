// [MS-FSA] 2.1.5.10.9 "FSCTL_GET_COMPRESSION" and 2.1.5.10.30 "FSCTL_SET_COMPRESSION".
#include "smb2/commands/ioctl/ioctl.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

// [MS-FSCC] 2.3.22 "FSCTL_GET_COMPRESSION Reply": CompressionState.
constexpr uint16_t kFormatNone = 0;

}  // namespace

// No file is ever compressed for a client; a file system that compresses by itself does not show.

Task<Result<IoctlAnswer>> ioctl_get_compression(Request&, const wire::IoctlRequest& ioctl) {
  if (ioctl.max_output_response < sizeof(uint16_t)) co_return fail(NtStatus::kInvalidParameter);
  IoctlAnswer answer;
  wire::Writer(answer.output).u16(kFormatNone);
  co_return answer;
}

Task<Result<IoctlAnswer>> ioctl_set_compression(Request& request, const wire::IoctlRequest& ioctl) {
  wire::Reader reader(ioctl.input);
  const uint16_t format = reader.u16();
  if (!reader.ok()) co_return fail(NtStatus::kInvalidParameter);
  if (!request.open->has_access(wire::Access::kFileWriteData)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  if (format != kFormatNone) co_return fail(NtStatus::kNotSupported);
  co_return IoctlAnswer{};
}

}  // namespace braid::smb2
