// [MS-FSA] 2.1.5.10.9 "FSCTL_GET_COMPRESSION" and 2.1.5.10.30 "FSCTL_SET_COMPRESSION".
#include <cerrno>

#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/files/file_services.h"
#include "smb2/files/report.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/change_notify.h"

namespace braid::smb2 {
namespace {

// [MS-FSCC] 2.3.18 "FSCTL_GET_COMPRESSION Reply": CompressionState. What the file system packs with
// is its own business; LZNT1 is the one name there is for it.
constexpr uint16_t kFormatNone = 0;
constexpr uint16_t kFormatDefault = 1;
constexpr uint16_t kFormatLznt1 = 2;

}  // namespace

Task<Result<IoctlAnswer>> ioctl_get_compression(Request& request, const wire::IoctlRequest& ioctl) {
  if (ioctl.max_output_response < sizeof(uint16_t)) co_return fail(NtStatus::kInvalidParameter);
  // Streams are not compressed one by one.
  vfs::File& file = request.open->whole_file();
  BRAID_CO_TRY(const auto now, file.stat());
  IoctlAnswer answer;
  const bool is_compressed = (now.dos_attributes & vfs::dos::kCompressed) != 0;
  wire::Writer(answer.output).u16(is_compressed ? kFormatLznt1 : kFormatNone);
  co_return answer;
}

Task<Result<IoctlAnswer>> ioctl_set_compression(Request& request, const wire::IoctlRequest& ioctl) {
  wire::Reader reader(ioctl.input);
  const uint16_t format = reader.u16();
  if (!reader.ok()) co_return fail(NtStatus::kInvalidParameter);
  Open& open = *request.open;
  if (!open.has_access(wire::Access::kFileWriteData)) co_return fail(NtStatus::kAccessDenied);
  const bool compress = format == kFormatDefault || format == kFormatLznt1;
  const bool can_compress =
      request.tree_connect->share->volume->features().compression && !open.attributes.is_stream;
  if (!can_compress) {
    if (format != kFormatNone) co_return fail(NtStatus::kNotSupported);
    co_return IoctlAnswer{};
  }
  if (!compress && format != kFormatNone) co_return fail(NtStatus::kInvalidParameter);
  const auto done = open.file->set_compressed(compress);
  // btrfs has files that are never compressed: those without checksums.
  if (!done && done.error().is_os(EINVAL)) co_return fail(NtStatus::kNotSupported);
  if (!done) co_return std::unexpected(done.error());
  report_modified(request.files, open, wire::CompletionFilter::kAttributes);
  co_return IoctlAnswer{};
}

}  // namespace braid::smb2
