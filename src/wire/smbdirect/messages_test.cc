#include "wire/smbdirect/messages.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "wire/golden_testing.h"

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

TEST(SmbDirectChannelInfo, IsDescriptorsToTheEnd) {
  const std::vector<BufferDescriptorV1> two = {
      {.offset = 0x0807060504030201, .token = 0x14131211, .length = 0x24232221},
      {.offset = 0x3837363534333231, .token = 0x44434241, .length = 0x54535251}};
  const Bytes bytes = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x11, 0x12, 0x13,
                       0x14, 0x21, 0x22, 0x23, 0x24, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36,
                       0x37, 0x38, 0x41, 0x42, 0x43, 0x44, 0x51, 0x52, 0x53, 0x54};
  EXPECT_EQ(encode_channel_info(two), bytes);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    const auto descriptors = decode_channel_info(cut);
    ASSERT_EQ(descriptors.has_value(), size == 16 || size == 32) << size;
    if (!descriptors) {
      EXPECT_EQ(descriptors.error(), Error::malformed());
    } else {
      EXPECT_EQ(*descriptors, std::vector(two.begin(), two.begin() + static_cast<long>(size / 16)));
    }
  }
}

TEST(GoldenSmbDirect, Messages) {
  const Bytes data = {0xD1, 0xD2, 0xD3, 0xD4, 0xD5};
  golden<NegotiateRequest>({.min_version = 0x0201,
                            .max_version = 0x1211,
                            .credits_requested = 0x2221,
                            .preferred_send_size = 0x34333231,
                            .max_receive_size = 0x44434241,
                            .max_fragmented_size = 0x54535251},
                           "0102 1112 (0000) 2122 31323334 41424344 51525354");
  golden<NegotiateResponse>(
      {.min_version = 0x0201,
       .max_version = 0x1211,
       .negotiated_version = 0x2221,
       .credits_requested = 0x3231,
       .credits_granted = 0x4241,
       .status = static_cast<NtStatus>(0x54535251),
       .max_read_write_size = 0x64636261,
       .preferred_send_size = 0x74737271,
       .max_receive_size = 0x84838281,
       .max_fragmented_size = 0x94939291},
      "0102 1112 2122 (0000) 3132 4142 51525354 61626364 71727374 81828384 91929394");
  DataTransfer transfer{.credits_requested = 0x0201,
                        .credits_granted = 0x1211,
                        .flags = 0x2221,
                        .remaining_data_length = 0x34333231};
  golden<DataTransfer>(transfer, "0102 1112 2122 (0000) 31323334 00000000 00000000");
  transfer.data = data;
  golden<DataTransfer>(transfer,
                       "0102 1112 2122 (0000) 31323334 18000000 05000000 (00000000) D1D2D3D4D5");
  transfer.data = ByteView(data).first(1);
  golden<DataTransfer>(transfer, "0102 1112 2122 (0000) 31323334 18000000 01000000 (00000000) D1");
  golden<BufferDescriptorV1>(
      {.offset = 0x0807060504030201, .token = 0x14131211, .length = 0x24232221},
      "0102030405060708 11121314 21222324");
}

}  // namespace
}  // namespace braid::wire::smbdirect
