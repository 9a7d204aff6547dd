#include "wire/smb2/srv_copychunk.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {

Result<SrvRequestResumeKeyResponse> SrvRequestResumeKeyResponse::decode(Reader& r) {
  SrvRequestResumeKeyResponse response;
  response.resume_key = r.array<24>();
  r.skip(4);  // ContextLength
  return r.finish(response);
}

void SrvRequestResumeKeyResponse::encode(Writer& w) const {
  w.bytes(resume_key);
  w.u32(0);
  w.zeros(4);
}

Result<SrvCopychunkCopy> SrvCopychunkCopy::decode(Reader& r) {
  constexpr uint64_t kChunkSize = 24;
  SrvCopychunkCopy copy;
  copy.source_key = r.array<24>();
  const uint32_t chunk_count = r.u32();
  r.skip(4);
  Reader chunks(r.bytes(chunk_count * kChunkSize));
  while (chunks.remaining() > 0) {
    SrvCopychunk chunk;
    chunk.source_offset = chunks.u64();
    chunk.target_offset = chunks.u64();
    chunk.length = chunks.u32();
    chunks.skip(4);
    copy.chunks.push_back(chunk);
  }
  return r.finish(std::move(copy));
}

void SrvCopychunkCopy::encode(Writer& w) const {
  w.bytes(source_key);
  w.u32(narrow_u32(chunks.size()));
  w.u32(0);
  for (const SrvCopychunk& chunk : chunks) {
    w.u64(chunk.source_offset);
    w.u64(chunk.target_offset);
    w.u32(chunk.length);
    w.u32(0);
  }
}

Result<SrvCopychunkResponse> SrvCopychunkResponse::decode(Reader& r) {
  SrvCopychunkResponse response;
  response.chunks_written = r.u32();
  response.chunk_bytes_written = r.u32();
  response.total_bytes_written = r.u32();
  return r.finish(response);
}

void SrvCopychunkResponse::encode(Writer& w) const {
  w.u32(chunks_written);
  w.u32(chunk_bytes_written);
  w.u32(total_bytes_written);
}

}  // namespace braid::wire
