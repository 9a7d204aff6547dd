// [MS-FSA] 2.1.5.10.14 "FSCTL_GET_REPARSE_POINT".
#include <sys/sysmacros.h>

#include "smb2/commands/ioctl/ioctl.h"
#include "wire/fscc/reparse.h"

namespace braid::smb2 {
namespace {

// ReparseTag, ReparseDataLength and Reserved.
constexpr size_t kHeadSize = 8;

wire::ReparseData of_symlink(std::string target) {
  wire::SymlinkReparse link;
  link.relative = !target.starts_with('/');
  for (char& c : target) {
    if (c == '/') c = '\\';
  }
  link.print_name = target;
  link.substitute_name = std::move(target);
  return {.tag = vfs::kReparseTagSymlink, .data = std::move(link)};
}

wire::ReparseData of_special(const vfs::Attributes& attributes) {
  using Type = wire::NfsReparse::Type;
  wire::NfsReparse special;
  switch (attributes.kind) {
    case vfs::Kind::kCharDevice:
      special.type = Type::kCharacterDevice;
      break;
    case vfs::Kind::kBlockDevice:
      special.type = Type::kBlockDevice;
      break;
    case vfs::Kind::kSocket:
      special.type = Type::kSocket;
      break;
    default:
      special.type = Type::kFifo;
      break;
  }
  special.major = gnu_dev_major(attributes.device);
  special.minor = gnu_dev_minor(attributes.device);
  return {.tag = vfs::kReparseTagNfs, .data = std::move(special)};
}

}  // namespace

Task<Result<IoctlAnswer>> ioctl_get_reparse_point(Request& request,
                                                  const wire::IoctlRequest& ioctl) {
  vfs::File& file = request.open->base_file ? *request.open->base_file : *request.open->file;
  BRAID_CO_TRY(const auto attributes, file.stat());
  if (!(attributes.dos_attributes & vfs::dos::kReparsePoint)) {
    co_return fail(NtStatus::kNotAReparsePoint);
  }
  if (ioctl.max_output_response < kHeadSize) co_return fail(NtStatus::kBufferTooSmall);
  wire::ReparseData reparse = of_special(attributes);
  if (attributes.is_symlink()) {
    BRAID_CO_TRY(auto target, file.read_link());
    reparse = of_symlink(std::move(target));
  }
  IoctlAnswer answer{.output = reparse.encode()};
  if (answer.output.size() > ioctl.max_output_response) {
    answer.output.resize(ioctl.max_output_response);
    answer.status = NtStatus::kBufferOverflow;
  }
  co_return answer;
}

}  // namespace braid::smb2
