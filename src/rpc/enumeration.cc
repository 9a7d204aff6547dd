#include "rpc/enumeration.h"

namespace braid::rpc {

EnumRequest EnumRequest::decode(wire::NdrReader& in) {
  EnumRequest request;
  request.level = in.u32();
  in.expect(in.u32() == request.level);
  if (in.pointer()) {
    in.u32();  // EntriesRead
    if (in.pointer()) in.expect(in.u32() == 0);
  }
  request.preferred_maximum_length = in.u32();
  request.has_resume_handle = in.pointer();
  if (request.has_resume_handle) request.resume_handle = in.u32();
  return request;
}

FaultStatus finish_enum_with_error(Call& call, const EnumRequest& request, uint32_t return_value) {
  call.out.u32(request.level);
  call.out.u32(request.level);
  call.out.pointer(false);
  call.out.u32(0);
  call.out.pointer(request.has_resume_handle);
  if (request.has_resume_handle) call.out.u32(0);
  return call.finish(return_value);
}

}  // namespace braid::rpc
