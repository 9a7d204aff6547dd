#include "wire/smb2/pipe_fsctl.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {

Result<PipeWaitRequest> PipeWaitRequest::decode(Reader& r) {
  PipeWaitRequest request;
  request.timeout = static_cast<int64_t>(r.u64());
  const uint32_t name_length = r.u32();
  request.timeout_specified = r.u8() != 0;
  r.skip(1);
  request.name = variable_utf16(r, r.position(), name_length);
  return r.finish(std::move(request));
}

void PipeWaitRequest::encode(Writer& w) const {
  w.u64(static_cast<uint64_t>(timeout));
  w.u32(narrow_u32(utf16le_size(name)));
  w.u8(timeout_specified ? 1 : 0);
  w.u8(0);
  write_utf16le(w, name);
}

Result<PipePeekReply> PipePeekReply::decode(Reader& r) {
  PipePeekReply reply;
  reply.named_pipe_state = r.u32();
  reply.read_data_available = r.u32();
  reply.number_of_messages = r.u32();
  reply.message_length = r.u32();
  reply.data = r.rest();
  return r.finish(reply);
}

void PipePeekReply::encode(Writer& w) const {
  w.u32(named_pipe_state);
  w.u32(read_data_available);
  w.u32(number_of_messages);
  w.u32(message_length);
  w.bytes(data);
}

}  // namespace braid::wire
