#include "wire/smbdirect/messages.h"

namespace braid::wire::smbdirect {

Result<NegotiateRequest> NegotiateRequest::decode(Reader& r) {
  NegotiateRequest request;
  request.min_version = r.u16();
  request.max_version = r.u16();
  r.skip(2);
  request.credits_requested = r.u16();
  request.preferred_send_size = r.u32();
  request.max_receive_size = r.u32();
  request.max_fragmented_size = r.u32();
  return r.finish(request);
}

void NegotiateRequest::encode(Writer& w) const {
  w.u16(min_version);
  w.u16(max_version);
  w.zeros(2);
  w.u16(credits_requested);
  w.u32(preferred_send_size);
  w.u32(max_receive_size);
  w.u32(max_fragmented_size);
}

Result<NegotiateResponse> NegotiateResponse::decode(Reader& r) {
  NegotiateResponse response;
  response.min_version = r.u16();
  response.max_version = r.u16();
  response.negotiated_version = r.u16();
  r.skip(2);
  response.credits_requested = r.u16();
  response.credits_granted = r.u16();
  response.status = r.as<NtStatus>();
  response.max_read_write_size = r.u32();
  response.preferred_send_size = r.u32();
  response.max_receive_size = r.u32();
  response.max_fragmented_size = r.u32();
  return r.finish(response);
}

void NegotiateResponse::encode(Writer& w) const {
  w.u16(min_version);
  w.u16(max_version);
  w.u16(negotiated_version);
  w.zeros(2);
  w.u16(credits_requested);
  w.u16(credits_granted);
  w.value(status);
  w.u32(max_read_write_size);
  w.u32(preferred_send_size);
  w.u32(max_receive_size);
  w.u32(max_fragmented_size);
}

Result<DataTransfer> DataTransfer::decode(Reader& r, ByteView packet) {
  DataTransfer transfer;
  transfer.credits_requested = r.u16();
  transfer.credits_granted = r.u16();
  transfer.flags = r.u16();
  r.skip(2);
  transfer.remaining_data_length = r.u32();
  const uint64_t offset = r.u32();
  const uint64_t length = r.u32();
  r.expect(offset % 8 == 0);
  r.expect(length == 0 || offset >= kSize);
  // Also of no data: the rule does not ask whether there is any.
  if (offset + length > packet.size()) r.fail(Error::truncated());
  if (r.ok() && length > 0) transfer.data = packet.subspan(offset, length);
  return r.finish(transfer);
}

void DataTransfer::encode(Writer& w) const {
  encode_head(w, static_cast<uint32_t>(data.size()));
  w.bytes(data);
}

void DataTransfer::encode_head(Writer& w, uint32_t data_length) const {
  w.u16(credits_requested);
  w.u16(credits_granted);
  w.u16(flags);
  w.zeros(2);
  w.u32(remaining_data_length);
  w.u32(data_length == 0 ? 0 : kDataOffset);
  w.u32(data_length);
  if (data_length > 0) w.zeros(kDataOffset - kSize);
}

Result<BufferDescriptorV1> BufferDescriptorV1::decode(Reader& r) {
  BufferDescriptorV1 descriptor;
  descriptor.offset = r.u64();
  descriptor.token = r.u32();
  descriptor.length = r.u32();
  return r.finish(descriptor);
}

void BufferDescriptorV1::encode(Writer& w) const {
  w.u64(offset);
  w.u32(token);
  w.u32(length);
}

Result<std::vector<BufferDescriptorV1>> decode_channel_info(ByteView info) {
  Reader r(info);
  r.expect(!info.empty() && info.size() % BufferDescriptorV1::kSize == 0);
  std::vector<BufferDescriptorV1> descriptors;
  if (r.ok()) descriptors.reserve(info.size() / BufferDescriptorV1::kSize);
  while (r.remaining() > 0) {
    BRAID_TRY(descriptors.emplace_back(), BufferDescriptorV1::decode(r));
  }
  return r.finish(std::move(descriptors));
}

Bytes encode_channel_info(std::span<const BufferDescriptorV1> descriptors) {
  Bytes info;
  Writer w(info);
  for (const BufferDescriptorV1& each : descriptors) each.encode(w);
  return info;
}

}  // namespace braid::wire::smbdirect
