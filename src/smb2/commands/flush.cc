// [MS-SMB2] 3.3.5.11 "Receiving an SMB2 FLUSH Request".
#include "wire/smb2/flush.h"

#include "smb2/commands/commands.h"
#include "smb2/files/file_services.h"
#include "smb2/files/operation.h"
#include "smb2/files/report.h"
#include "smb2/opens/sync.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {

Task<Result<Reply>> handle_flush(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_CHECK(wire::FlushRequest::decode(reader));
  Open& open = *request.open;
  if (open.is_pipe()) co_return reply_with(wire::FlushResponse{});
  using wire::Access;
  if (!open.has_access(Access::kFileWriteData | Access::kFileAppendData)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  BRAID_CO_CHECK(co_await prepare_operation(request, filestate::Operation::kFlush));
  // Of a directory: the names in it.
  BRAID_CO_CHECK(sync(open, vfs::Durability::kDataAndMetadata));
  if (open.pending_notifications != 0) report_noted(request.files, open);
  co_return reply_with(wire::FlushResponse{});
}

}  // namespace braid::smb2
