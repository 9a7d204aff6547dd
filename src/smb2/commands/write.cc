// [MS-SMB2] 3.3.5.13 "Receiving an SMB2 WRITE Request".
#include "wire/smb2/write.h"

#include <cerrno>
#include <optional>

#include "smb2/commands/commands.h"
#include "smb2/commands/direct_placement.h"
#include "smb2/commands/file_offset.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"
#include "smb2/files/operation.h"
#include "smb2/files/report.h"
#include "smb2/logons/pipe_write.h"
#include "smb2/opens/sync.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

// Up to here a write into memory is cheaper than handing it to another thread.
constexpr size_t kInlineWriteMax = 64u << 10;

// What is written where the connection is served, as nothing has to be waited for. Nothing: it is
// for the pool.
std::optional<vfs::Progress> try_at_once(Request& request, const wire::WriteRequest& write,
                                         ByteView data) {
  Open& open = *request.open;
  if (!request.connection->reactor().is_current() || data.size() > kInlineWriteMax ||
      (write.flags & wire::WriteFlags::kWriteThrough) || is_write_through(open) ||
      request.tree_connect->share->slow_requests != 0) {
    return std::nullopt;
  }
  const auto turn = begin_write_at_once(request, {write.offset, data.size()});
  if (!turn) return std::nullopt;
  const vfs::Progress written = open.file->write_at_once(write.offset, data);
  if (!written && written.error().is_os(EAGAIN) && written.done() == 0) return std::nullopt;
  return written;
}

}  // namespace

Task<Result<Reply>> handle_write(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto write, wire::WriteRequest::decode(reader));
  Connection& connection = *request.connection;
  BRAID_CO_CHECK(request.check_credit_charge(write.data.size(), 0));
  BRAID_CO_TRY(auto memory, client_memory(request, write));
  // [MS-SMB2] 3.3.5.13 "Receiving an SMB2 WRITE Request".
  if (memory.is_given() && write.has_both) co_return fail(NtStatus::kInvalidParameter);
  ByteView data = write.data;
  const size_t size = memory.is_given() ? write.remaining_bytes : data.size();
  if (size > connection.negotiated.max_write_size) co_return fail(NtStatus::kInvalidParameter);
  Buffer pulled;
  if (memory.is_given()) {
    // Before there is a turn at the file: it takes as long as the client's card likes.
    BRAID_CO_TRY(pulled, co_await fetch(request, std::move(memory), size));
    data = pulled.view();
  }
  const wire::WriteResponse response{.count = static_cast<uint32_t>(size)};
  if (request.open->is_pipe()) {
    const auto turn = co_await request.open->pipe_calls.take(request.seat);
    BRAID_CO_CHECK(co_await request.seat.turn());
    Open& open = *request.open;
    const auto written = co_await write_pipe(request, data);
    // Also when it failed: then there is nothing more to wait for.
    open.pipe_reads.deliver(*open.pipe);
    if (!written) co_return std::unexpected(written.error());
    co_return reply_with(response);
  }

  using wire::Access;
  const OpenAttributes& attributes = request.open->attributes;
  if (attributes.is_directory) co_return fail(NtStatus::kInvalidDeviceRequest);
  if (!request.open->has_access(Access::kFileWriteData | Access::kFileAppendData)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  // A file of a previous version may be open for writing all the same.
  BRAID_CO_CHECK(request.check_may_change(request.conduct.changes));
  // The end of the file has no number of its own here: a WRITE that is sent again after a lost
  // connection must not append again.
  if (write.offset > kOffsetMax - size) co_return fail(NtStatus::kInvalidParameter);
  // [MS-FSA] 2.1.5.4: a write of nothing does nothing, and breaks nothing.
  if (size == 0) co_return reply_with(response);

  std::optional<vfs::Progress> written = try_at_once(request, write, data);
  const bool is_done_at_once = written.has_value();
  if (!is_done_at_once) {
    // Whatever its size: a write waits for a frozen file system, and no flag of the kernel's is
    // against that. Of a file that hangs one WRITE holds a thread.
    request.may_take_long();
    const filestate::IoRange range{write.offset, size};
    BRAID_CO_TRY(auto turn,
                 co_await begin_write(request, filestate::Operation::kWrite, {&range, 1}));
    written = request.open->file->write(write.offset, data);
  }
  Open& open = *request.open;
  FileServices& files = request.files;
  // Who watches hears of what was done, also when the rest of it failed.
  if (written->done() > 0) note_written(files, open);
  BRAID_CO_CHECK(*written);
  if (!is_done_at_once) {
    const bool through = (write.flags & wire::WriteFlags::kWriteThrough) != 0;
    BRAID_CO_CHECK(through ? sync(open, vfs::Durability::kData)
                           : write_through(open, vfs::Durability::kData));
  }
  open.position = write.offset + size;
  co_return reply_with(response);
}

}  // namespace braid::smb2
