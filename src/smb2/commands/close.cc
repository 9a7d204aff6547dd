// [MS-SMB2] 3.3.5.10 "Receiving an SMB2 CLOSE Request".
#include "wire/smb2/close.h"

#include "smb2/close_open.h"
#include "smb2/commands/commands.h"
#include "smb2/server.h"

namespace braid::smb2 {

Task<Result<Reply>> handle_close(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto close, wire::CloseRequest::decode(reader));
  std::shared_ptr<Open> open = request.open.get();

  if (!open->is_pipe()) request.server.write_times.close(*open);
  wire::CloseResponse response;
  if ((close.flags & wire::CloseFlags::kPostqueryAttrib) && !open->is_pipe()) {
    if (auto attributes = open->file->stat()) {
      request.server.write_times.show(*attributes);
      response.flags = wire::CloseFlags::kPostqueryAttrib;
      response.creation_time = attributes->creation_time;
      response.last_access_time = attributes->access_time;
      response.last_write_time = attributes->write_time;
      response.change_time = attributes->change_time;
      response.allocation_size = attributes->allocation_size;
      response.end_of_file = attributes->size;
      response.file_attributes = attributes->dos_attributes;
    }
  }
  // Closing waits for those who use the Open; this request must not be one of them.
  request.open.release();
  if (!co_await close_open(request.server, std::move(open))) {
    co_return fail(NtStatus::kFileClosed);
  }
  co_return reply_with(response);
}

}  // namespace braid::smb2
