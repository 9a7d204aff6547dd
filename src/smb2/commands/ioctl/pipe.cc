// [MS-SMB2] 3.3.5.15.3 "Handling a Pipe Transaction Request", 3.3.5.15.4 "Handling a Peek at Pipe
// Data Request", 3.3.5.15.10 "Handling a Pipe Wait Request".
#include "rpc/pipe_registry.h"
#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/files/file_services.h"
#include "smb2/logons/pipe_write.h"
#include "wire/smb2/pipe_fsctl.h"

namespace braid::smb2 {

Task<Result<IoctlAnswer>> ioctl_pipe_transceive(Request& request, const wire::IoctlRequest& ioctl) {
  if (!request.open->is_pipe()) co_return fail(NtStatus::kNotSupported);
  Result<rpc::PipeRead> answer = fail(NtStatus::kPipeEmpty);
  {
    const auto turn = co_await request.open->pipe_calls.take(request.seat);
    BRAID_CO_CHECK(request.seat.check_wanted());
    Open& open = *request.open;
    if (open.pipe->readable_size() != 0) co_return fail(NtStatus::kPipeBusy);
    const auto written = co_await write_pipe(request, ioctl.input);
    if (written) {
      answer = open.pipe->read(ioctl.max_output_response);
    } else {
      answer = std::unexpected(written.error());
    }
    open.pipe_reads.deliver(*open.pipe);
  }
  // What was sent so far is no whole request: the rest comes by WRITE.
  if (!answer && answer.error() == Error(NtStatus::kPipeEmpty)) {
    answer = co_await read_pipe(request, ioctl.max_output_response);
  }
  BRAID_CO_TRY(auto got, std::move(answer));
  co_return IoctlAnswer{std::move(got.data),
                        got.more ? NtStatus::kBufferOverflow : NtStatus::kSuccess};
}

Task<Result<IoctlAnswer>> ioctl_pipe_peek(Request& request, const wire::IoctlRequest& ioctl) {
  if (!request.open->is_pipe()) co_return fail(NtStatus::kNotSupported);
  if (ioctl.max_output_response < wire::PipePeekReply::kHeadSize) {
    co_return fail(NtStatus::kInfoLengthMismatch);
  }
  const auto turn = co_await request.open->pipe_calls.take(request.seat);
  const rpc::Pipe& pipe = *request.open->pipe;
  wire::PipePeekReply reply;
  reply.read_data_available = static_cast<uint32_t>(pipe.readable_size());
  reply.message_length = static_cast<uint32_t>(pipe.next_message_size());
  reply.number_of_messages = pipe.readable_size() > 0 ? 1 : 0;
  IoctlAnswer answer;
  wire::Writer writer(answer.output);
  reply.encode(writer);
  // The data is left where it is; a client that wants it reads.
  if (pipe.readable_size() > 0) answer.status = NtStatus::kBufferOverflow;
  co_return answer;
}

Task<Result<IoctlAnswer>> ioctl_pipe_wait(Request& request, const wire::IoctlRequest& ioctl) {
  if (!request.tree_connect->is_pipe()) co_return fail(NtStatus::kNotSupported);
  wire::Reader reader(ioctl.input);
  BRAID_CO_TRY(const auto wait, wire::PipeWaitRequest::decode(reader));
  // Every pipe there is always has a free instance.
  if (!rpc::PipeRegistry::exists(wait.name)) co_return fail(NtStatus::kObjectNameNotFound);
  co_return IoctlAnswer{};
}

}  // namespace braid::smb2
