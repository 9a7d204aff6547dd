#include "wire/smb2/offload.h"

namespace braid::wire {

Result<StorageOffloadToken> StorageOffloadToken::decode(Reader& r) {
  StorageOffloadToken token;
  token.type = r.u32_be();
  r.skip(2);
  token.id_length = r.u16_be();
  token.id = r.array<kIdSize>();
  r.expect(token.id_length <= kIdSize);
  return r.finish(token);
}

void StorageOffloadToken::encode(Writer& w) const {
  w.u32_be(type);
  w.u16(0);
  w.u16_be(id_length);
  w.bytes(id);
}

Result<OffloadReadInput> OffloadReadInput::decode(Reader& r) {
  OffloadReadInput input;
  r.expect(r.u32() == kSize);
  r.skip(4);
  input.token_time_to_live_ms = r.u32();
  r.skip(4);
  input.file_offset = r.u64();
  input.copy_length = r.u64();
  return r.finish(input);
}

void OffloadReadInput::encode(Writer& w) const {
  w.u32(kSize);
  w.u32(0);
  w.u32(token_time_to_live_ms);
  w.u32(0);
  w.u64(file_offset);
  w.u64(copy_length);
}

Result<OffloadReadOutput> OffloadReadOutput::decode(Reader& r) {
  OffloadReadOutput output;
  r.expect(r.u32() == kSize);
  output.flags = r.u32();
  output.transfer_length = r.u64();
  BRAID_TRY(output.token, StorageOffloadToken::decode(r));
  return r.finish(output);
}

void OffloadReadOutput::encode(Writer& w) const {
  w.u32(kSize);
  w.u32(flags);
  w.u64(transfer_length);
  token.encode(w);
}

Result<OffloadWriteInput> OffloadWriteInput::decode(Reader& r) {
  OffloadWriteInput input;
  r.expect(r.u32() == kSize);
  r.skip(4);
  input.file_offset = r.u64();
  input.copy_length = r.u64();
  input.transfer_offset = r.u64();
  BRAID_TRY(input.token, StorageOffloadToken::decode(r));
  return r.finish(input);
}

void OffloadWriteInput::encode(Writer& w) const {
  w.u32(kSize);
  w.u32(0);
  w.u64(file_offset);
  w.u64(copy_length);
  w.u64(transfer_offset);
  token.encode(w);
}

Result<OffloadWriteOutput> OffloadWriteOutput::decode(Reader& r) {
  OffloadWriteOutput output;
  r.expect(r.u32() == kSize);
  r.skip(4);
  output.length_written = r.u64();
  return r.finish(output);
}

void OffloadWriteOutput::encode(Writer& w) const {
  w.u32(kSize);
  w.u32(0);
  w.u64(length_written);
}

}  // namespace braid::wire
