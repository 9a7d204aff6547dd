#include "wire/smbdirect/messages.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace braid::wire::smbdirect {
namespace {

template <class T>
Result<T> decoded(ByteView packet) {
  Reader reader(packet);
  return T::decode(reader);
}

template <class T>
Bytes encoded(const T& value) {
  Bytes out;
  Writer writer(out);
  value.encode(writer);
  return out;
}

// [MS-SMBD] 4.1 "Establishing a Connection".
const Bytes kRequest = {0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x0A, 0x00, 0x00, 0x04,
                        0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00};
const Bytes kResponse = {0x00, 0x01, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x0A, 0x00, 0x0A,
                         0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x04,
                         0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00};
// [MS-SMBD] 4.3 "Peer Transmits 64 KiB of Data": the last fragment.
const Bytes kLastFragment = {0x0A, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
                             0x00, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00,
                             0x18, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};

TEST(SmbDirectNegotiateRequest, IsTheOneOfTheSpecification) {
  const NegotiateRequest request{.credits_requested = 10,
                                 .preferred_send_size = 1024,
                                 .max_receive_size = 1024,
                                 .max_fragmented_size = 128 << 10};
  EXPECT_EQ(encoded(request), kRequest);
  EXPECT_EQ(decoded<NegotiateRequest>(kRequest), request);
}

TEST(SmbDirectNegotiateResponse, IsTheOneOfTheSpecification) {
  const NegotiateResponse response{.negotiated_version = kVersion1,
                                   .credits_requested = 10,
                                   .credits_granted = 10,
                                   .max_read_write_size = 1 << 20,
                                   .preferred_send_size = 1024,
                                   .max_receive_size = 1024,
                                   .max_fragmented_size = 128 << 10};
  EXPECT_EQ(encoded(response), kResponse);
  EXPECT_EQ(decoded<NegotiateResponse>(kResponse), response);
}

TEST(SmbDirectMessages, CutAnywhereAreTruncated) {
  for (size_t size = 0; size < NegotiateResponse::kSize; ++size) {
    const ByteView cut = ByteView(kResponse).first(size);
    EXPECT_EQ(decoded<NegotiateResponse>(cut).error(), Error::truncated()) << size;
    if (size < NegotiateRequest::kSize) {
      EXPECT_EQ(decoded<NegotiateRequest>(cut).error(), Error::truncated()) << size;
    }
    if (size < BufferDescriptorV1::kSize) {
      EXPECT_EQ(decoded<BufferDescriptorV1>(cut).error(), Error::truncated()) << size;
    }
  }
}

TEST(SmbDirectDataTransfer, IsTheOneOfTheSpecification) {
  const Bytes payload(536, 0x5A);
  Bytes packet = kLastFragment;
  packet.insert(packet.end(), payload.begin(), payload.end());
  const DataTransfer transfer{.credits_requested = 10, .credits_granted = 1, .data = payload};
  EXPECT_EQ(encoded(transfer), packet);
  const auto got = decoded<DataTransfer>(packet);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->credits_requested, 10);
  EXPECT_EQ(got->credits_granted, 1);
  EXPECT_EQ(got->flags, 0);
  EXPECT_EQ(got->remaining_data_length, 0u);
  EXPECT_TRUE(std::ranges::equal(got->data, payload));
}

TEST(SmbDirectDataTransfer, WithoutDataIsItsHeader) {
  const DataTransfer transfer{.credits_requested = 255, .credits_granted = 3, .flags = 1};
  const Bytes packet = {0xFF, 0, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(encoded(transfer), packet);
  const auto got = decoded<DataTransfer>(packet);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->flags, DataTransferFlags::kResponseRequested);
  EXPECT_TRUE(got->data.empty());
}

// A packet of `size` bytes that says where its data is.
Result<DataTransfer> with_data_at(uint32_t offset, uint32_t length, size_t size) {
  Bytes packet;
  Writer writer(packet);
  writer.u16(1);
  writer.zeros(10);
  writer.u32(offset);
  writer.u32(length);
  packet.resize(size);
  auto transfer = decoded<DataTransfer>(packet);
  if (transfer) transfer->data = {};  // not longer than the packet
  return transfer;
}

TEST(SmbDirectDataTransfer, DataLiesWithinThePacketAndBehindItsHeader) {
  EXPECT_TRUE(with_data_at(24, 8, 32));
  EXPECT_TRUE(with_data_at(32, 8, 40));
  EXPECT_TRUE(with_data_at(8, 0, 20));
  EXPECT_EQ(with_data_at(24, 8, 31).error(), Error::truncated());
  EXPECT_EQ(with_data_at(24, 0, 20).error(), Error::truncated());
  EXPECT_EQ(with_data_at(0xFFFFFFF8, 0xFFFFFFFF, 64).error(), Error::truncated());
  EXPECT_EQ(with_data_at(0xFFFFFFF8, 8, 64).error(), Error::truncated());
  EXPECT_EQ(with_data_at(16, 8, 64).error(), Error::malformed());
  for (const uint32_t offset : {20u, 25u, 28u}) {
    EXPECT_EQ(with_data_at(offset, 8, 64).error(), Error::malformed()) << offset;
  }
}

// [MS-SMBD] 4.4 "Peer Transmits 1 MiB of Data Via Upper Layer".
TEST(SmbDirectBufferDescriptor, IsTheOneOfTheSpecification) {
  const BufferDescriptorV1 descriptor{
      .offset = 0xABCDE012, .token = 0x1A00BC56, .length = 0x00100000};
  const Bytes bytes = {0x12, 0xE0, 0xCD, 0xAB, 0, 0, 0, 0, 0x56, 0xBC, 0, 0x1A, 0, 0, 0x10, 0};
  EXPECT_EQ(encoded(descriptor), bytes);
  EXPECT_EQ(decoded<BufferDescriptorV1>(bytes), descriptor);
}

}  // namespace
}  // namespace braid::wire::smbdirect
