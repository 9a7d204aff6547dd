// [MS-FSA] 2.1.5.10.4 "FSCTL_DUPLICATE_EXTENTS_TO_FILE" and 2.1.5.10.5 its _EX.
#include "wire/smb2/duplicate_extents.h"

#include <algorithm>
#include <cerrno>

#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/files/file_services.h"
#include "smb2/files/operation.h"
#include "smb2/files/report.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Access;

struct Wanted {
  wire::DuplicateExtentsData extents;
  bool source_atomic = false;  // as the source was at one moment, or not at all
};

Result<Wanted> decode(const wire::IoctlRequest& ioctl) {
  wire::Reader reader(ioctl.input);
  if (ioctl.ctl_code == wire::Fsctl::kDuplicateExtentsToFile) {
    BRAID_TRY(const auto extents, wire::DuplicateExtentsData::decode(reader));
    return Wanted{extents};
  }
  using Ex = wire::DuplicateExtentsDataEx;
  BRAID_TRY(const auto ex, Ex::decode(reader));
  if (ex.flags & ~Ex::kFlagSourceAtomic) return fail(NtStatus::kInvalidParameter);
  return Wanted{{ex.source_file_id, ex.source_file_offset, ex.target_file_offset, ex.byte_count},
                (ex.flags & Ex::kFlagSourceAtomic) != 0};
}

// What is left of a range that ends within a cluster, which no clone may: less than one is copied.
Result<void> clone_and_copy(vfs::File& source, uint64_t from, vfs::File& target,
                            const vfs::Range& to, bool& changed) {
  BRAID_TRY(const vfs::Space space, target.space());
  const uint64_t rest = to.length % space.block_size;
  const uint64_t whole = to.length - rest;
  if (whole > 0) {
    BRAID_CHECK(target.clone_range(source, from, to.offset, whole));
    changed = true;
  }
  const vfs::Progress copied = target.copy_range(source, from + whole, to.offset + whole, rest);
  changed = changed || copied.done() > 0;
  BRAID_CHECK(copied);
  return {};
}

}  // namespace

std::optional<FileId> duplicate_extents_source(const wire::IoctlRequest& ioctl) {
  const auto wanted = decode(ioctl);
  if (!wanted) return std::nullopt;
  return wanted->extents.source_file_id;
}

Task<Result<IoctlAnswer>> ioctl_duplicate_extents(Request& request,
                                                  const wire::IoctlRequest& ioctl) {
  if (!request.tree_connect->share->volume->features().reflink) {
    co_return fail(NtStatus::kInvalidDeviceRequest);
  }
  BRAID_CO_TRY(const auto wanted, decode(ioctl));
  const wire::DuplicateExtentsData& extents = wanted.extents;
  if (extents.source_file_offset < 0 || extents.target_file_offset < 0 || extents.byte_count < 0 ||
      extents.byte_count > INT64_MAX - extents.source_file_offset ||
      extents.byte_count > INT64_MAX - extents.target_file_offset) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  const OpenUse& source = request.source;
  if (!source) co_return fail(NtStatus::kInvalidHandle);
  if (source->is_pipe() || source->attributes.is_directory ||
      request.open->attributes.is_directory) {
    co_return fail(NtStatus::kNotSupported);
  }
  if (!request.open->has_access(Access::kFileWriteData) ||
      !source->has_access(Access::kFileReadData)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  const auto from = static_cast<uint64_t>(extents.source_file_offset);
  const auto to = static_cast<uint64_t>(extents.target_file_offset);
  const auto asked = static_cast<uint64_t>(extents.byte_count);
  if (asked == 0) co_return IoctlAnswer{};
  BRAID_CO_CHECK(co_await prepare_copy(request, filestate::Operation::kWrite));
  FileServices& files = request.files;
  Open& target = *request.open;

  BRAID_CO_TRY(const auto source_now, source->file->stat());
  BRAID_CO_TRY(const auto target_now, target.file->stat());
  const bool overlaps = source->attributes.file_key == target.attributes.file_key &&
                        from < to + asked && to < from + asked;
  if (overlaps || from + asked > source_now.size) co_return fail(NtStatus::kNotSupported);
  if ((source_now.dos_attributes & vfs::dos::kSparse) &&
      !(target_now.dos_attributes & vfs::dos::kSparse)) {
    co_return fail(NtStatus::kNotSupported);
  }
  // Byte-range locks are not looked at, and the target does not grow: as Windows has it.
  if (to >= target_now.size) co_return IoctlAnswer{};
  const uint64_t length = std::min(asked, target_now.size - to);
  // One ioctl of the kernel clones the whole range or nothing, so that a clone is atomic.
  bool changed = false;
  auto done = target.file->clone_range(*source->file, from, to, length);
  if (!done && done.error().is_os(EINVAL) && length < asked) {
    // Cut at the end of the target, the range ends within a cluster.
    if (wanted.source_atomic) co_return fail(NtStatus::kNotSupported);
    done = clone_and_copy(*source->file, from, *target.file, {to, length}, changed);
  }
  // The handles may be of two shares, but not of two volumes.
  // The kernel clones one extent after the other, and does not say how far it came.
  const bool may_have_begun = !done && (done.error().is_os(ENOSPC) || done.error().is_os(EDQUOT) ||
                                        done.error().is_os(EIO));
  if (done || changed || may_have_begun) note_written(files, target);
  if (!done && done.error().is_os(EXDEV)) co_return fail(NtStatus::kInvalidParameter);
  if (!done) co_return std::unexpected(done.error());
  co_return IoctlAnswer{};
}

}  // namespace braid::smb2
