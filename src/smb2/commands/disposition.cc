#include "smb2/commands/info_handlers.h"
#include "smb2/files/access_check.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"
#include "smb2/files/operation.h"
#include "smb2/files/report.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using Ex = wire::FileDispositionInformationEx;

// What a reparse point took the name of, or a rename on the machine, is gone already; what has the
// name now is not this handle's to delete, and would stay.
Result<void> check_keeps_name(Request& request, const vfs::Attributes& attributes) {
  Open& open = *request.open;
  if (attributes.nlink != 0 || open.attributes.is_stream) return {};
  if (!request.files.file_table.path_of(open.ref())) return {};  // a deletion has taken it
  const auto there = request.tree_connect->share->volume->find(request.credentials(),
                                                               known_path(request.files, open));
  if (there && there->attributes.key != open.attributes.file_key) {
    return fail(NtStatus::kObjectNameNotFound);
  }
  return {};
}

// Whether the file of request.open may be deleted. `flags`: of FileDispositionInformationEx.
Result<void> check_may_delete(Request& request, uint32_t flags) {
  Open& open = *request.open;
  BRAID_TRY(const auto attributes, open.file->stat());
  const bool ignores_readonly = (flags & Ex::kIgnoreReadOnlyAttribute) != 0 &&
                                open.has_access(wire::Access::kFileWriteAttributes);
  if ((attributes.dos_attributes & vfs::dos::kReadonly) && !ignores_readonly) {
    return fail(NtStatus::kCannotDelete);
  }
  if (open.path.lock()->is_root()) return fail(NtStatus::kCannotDelete);
  BRAID_CHECK(check_keeps_name(request, attributes));
  if (open.attributes.is_directory) {
    // Of what is open: its path may lead nowhere by now, or to another directory.
    BRAID_TRY(const bool is_empty, open.file->is_empty());
    if (!is_empty) return fail(NtStatus::kDirectoryNotEmpty);
  }
  // Now, and not when the last handle closes and nobody hears of it.
  vfs::File& file = open.base_file ? *open.base_file : *open.file;
  BRAID_TRY(const bool is_read_only, file.is_read_only());
  if (is_read_only) return fail(NtStatus::kMediaWriteProtected);
  if (!open.attributes.is_stream) BRAID_CHECK(check_may_unlink(request, attributes));
  return {};
}

Task<Result<void>> dispose(Request& request, uint32_t flags) {
  const bool deletes = (flags & Ex::kDelete) != 0;
  // A name of the POSIX Extensions goes with the handle that deletes it.
  const bool is_posix =
      deletes && ((flags & Ex::kPosixSemantics) || request.open->attributes.is_posix);
  if (deletes) BRAID_CO_CHECK(check_may_delete(request, flags));
  const auto semantics =
      is_posix ? filestate::DeleteSemantics::kPosix : filestate::DeleteSemantics::kLastClose;
  if (flags & Ex::kOnClose) {
    const auto decision =
        request.files.file_table.set_delete_on_close(request.open->ref(), deletes, semantics);
    if (decision.verdict != filestate::Verdict::kGo) co_return fail(decision.status);
    co_return Result<void>{};
  }
  BRAID_CO_CHECK(co_await set_delete_pending(request, deletes, semantics));
  if (deletes) report_delete_pending(request.files, *request.open);
  co_return Result<void>{};
}

}  // namespace

Task<Result<void>> set_disposition(Request& request, wire::FileDispositionInformation info) {
  co_return co_await dispose(request, info.delete_pending ? Ex::kDelete : 0);
}

Task<Result<void>> set_disposition_ex(Request& request, Ex info) {
  // Nothing here is mapped as an image, so there is nothing for kForceImageSectionCheck to find.
  constexpr uint32_t kKnown = Ex::kDelete | Ex::kPosixSemantics | Ex::kForceImageSectionCheck |
                              Ex::kOnClose | Ex::kIgnoreReadOnlyAttribute;
  if (info.flags & ~kKnown) co_return fail(NtStatus::kNotSupported);
  // What a stream holds is found through its name.
  constexpr uint32_t kPosixDelete = Ex::kDelete | Ex::kPosixSemantics;
  if (request.open->attributes.is_stream && (info.flags & kPosixDelete) == kPosixDelete) {
    co_return fail(NtStatus::kNotSupported);
  }
  co_return co_await dispose(request, info.flags);
}

}  // namespace braid::smb2
