// [MS-SMB2] 3.3.5.12 "Receiving an SMB2 READ Request".
#include "wire/smb2/read.h"

#include <algorithm>

#include "smb2/commands/commands.h"
#include "smb2/commands/direct_placement.h"
#include "smb2/commands/file_offset.h"
#include "smb2/connections/connection.h"
#include "smb2/files/compress_reply.h"
#include "smb2/files/file_services.h"
#include "smb2/files/operation.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

// Up to here a read from the page cache is cheaper than handing it to another thread.
constexpr size_t kInlineReadMax = 64u << 10;

Reply read_reply(Buffer data, uint8_t padding = 0) {
  Reply reply;
  reply.message.resize(wire::Header::kSize);
  wire::Writer writer(reply.message, 0);
  wire::ReadResponse{}.encode_head(writer, static_cast<uint32_t>(data.size()), padding);
  reply.payload = std::move(data);
  return reply;
}

Task<Result<Reply>> pipe_reply(Request& request, ClientMemory memory, rpc::PipeRead got) {
  Result<Reply> reply = Reply{};
  if (memory.is_given()) {
    Buffer data = room_for(memory, got.data.size());
    std::ranges::copy(got.data, data.data());
    reply = co_await place(request, std::move(memory), std::move(data));
  } else {
    reply = read_reply(Buffer::copy_of(got.data));
  }
  if (reply && got.more) reply->status = NtStatus::kBufferOverflow;
  co_return reply;
}

}  // namespace

Task<Result<Reply>> handle_read(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto read, wire::ReadRequest::decode(reader));
  Connection& connection = *request.connection;
  if (read.length > connection.negotiated.max_read_size) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  BRAID_CO_CHECK(request.check_credit_charge(0, read.length));
  BRAID_CO_TRY(auto memory, client_memory(request, read));
  if (request.open->is_pipe()) {
    BRAID_CO_TRY(auto got, co_await read_pipe(request, read.length));
    co_return co_await pipe_reply(request, std::move(memory), std::move(got));
  }

  using wire::Access;
  const OpenAttributes& attributes = request.open->attributes;
  if (attributes.is_directory) co_return fail(NtStatus::kInvalidDeviceRequest);
  if (!request.open->has_access(Access::kFileReadData | Access::kFileExecute)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  if (read.offset > kOffsetMax - read.length) co_return fail(NtStatus::kInvalidParameter);

  const filestate::IoRange range{read.offset, read.length};
  BRAID_CO_CHECK(co_await begin_io(request, filestate::Operation::kRead, {&range, 1}));
  Open& open = *request.open;

  Buffer data = room_for(memory, read.length);
  Result<size_t> count = fail_os(EAGAIN);
  if (read.length <= kInlineReadMax && request.tree_connect->share->slow_requests == 0) {
    count = open.file->read(read.offset, data.view(), vfs::Wait::kNever);
  }
  if (!count && count.error().is_os(EAGAIN)) {
    request.may_take_long();
    BRAID_CO_CHECK(co_await request.seat.turn());
    count = open.file->read(read.offset, data.view());
  }
  if (!count) co_return std::unexpected(count.error());
  if (*count < read.minimum_count || (*count == 0 && read.length > 0)) {
    co_return fail(NtStatus::kEndOfFile);
  }
  data.resize_within(*count);
  open.position = read.offset + *count;
  if (memory.is_given()) co_return co_await place(request, std::move(memory), std::move(data));
  const auto asked = (read.flags & wire::ReadFlags::kRequestCompressed) != 0
                         ? CompressionAsked::kYes
                         : CompressionAsked::kNo;
  auto compress = compress_reply(request, asked, data.size());
  Reply reply = read_reply(std::move(data), connection.read_response_padding);
  reply.compress = std::move(compress);
  co_return reply;
}

}  // namespace braid::smb2
