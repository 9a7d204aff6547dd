#include "wire/fscc/pipe_information.h"

namespace braid::wire {

Result<FilePipeInformation> FilePipeInformation::decode(Reader& r) {
  FilePipeInformation info;
  info.read_mode = r.u32();
  info.completion_mode = r.u32();
  return r.finish(info);
}

void FilePipeInformation::encode(Writer& w) const {
  w.u32(read_mode);
  w.u32(completion_mode);
}

Result<FilePipeLocalInformation> FilePipeLocalInformation::decode(Reader& r) {
  FilePipeLocalInformation info;
  info.named_pipe_type = r.u32();
  info.named_pipe_configuration = r.u32();
  info.maximum_instances = r.u32();
  info.current_instances = r.u32();
  info.inbound_quota = r.u32();
  info.read_data_available = r.u32();
  info.outbound_quota = r.u32();
  info.write_quota_available = r.u32();
  info.named_pipe_state = r.u32();
  info.named_pipe_end = r.u32();
  return r.finish(info);
}

void FilePipeLocalInformation::encode(Writer& w) const {
  w.u32(named_pipe_type);
  w.u32(named_pipe_configuration);
  w.u32(maximum_instances);
  w.u32(current_instances);
  w.u32(inbound_quota);
  w.u32(read_data_available);
  w.u32(outbound_quota);
  w.u32(write_quota_available);
  w.u32(named_pipe_state);
  w.u32(named_pipe_end);
}

Result<FilePipeRemoteInformation> FilePipeRemoteInformation::decode(Reader& r) {
  FilePipeRemoteInformation info;
  info.collect_data_time = r.u64();
  info.maximum_collection_count = r.u32();
  return r.finish(info);
}

void FilePipeRemoteInformation::encode(Writer& w) const {
  w.u64(collect_data_time);
  w.u32(maximum_collection_count);
}

}  // namespace braid::wire
