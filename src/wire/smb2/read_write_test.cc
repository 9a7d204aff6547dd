#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/smb2/captures_testing.h"
#include "wire/smb2/codec_testing.h"
#include "wire/smb2/header.h"
#include "wire/smb2/read.h"
#include "wire/smb2/write.h"

namespace braid::wire {
namespace {

// [MS-SMB2] 4.5 "Reading from a Remote File"; the filler byte is the Buffer of one byte.
TEST(ReadRequest, ExampleEncodes) {
  ReadRequest request;
  request.padding = 0x50;
  request.length = 0x62;
  request.file_id = {0x11, 0xFFFFFFFF00000009};
  Bytes out;
  Writer w(out);
  request.encode(w);
  EXPECT_EQ(out, unhex("3100 50 00 62000000 0000000000000000 1100000000000000 09000000FFFFFFFF"
                       "00000000 00000000 00000000 0000 0000 00"));
}

TEST(ReadRequest, ChannelInfoIsReadWithRdmaOnly) {
  const Bytes descriptor = unhex("00000000000000000100000000100000");
  ReadRequest request;
  request.channel = Channel::kRdmaV1Invalidate;
  request.read_channel_info = descriptor;
  Bytes message = encode_body(request);
  EXPECT_EQ(decode_body<ReadRequest>(message)->read_channel_info.size(), descriptor.size());
  message[Header::kSize + 36] = 0;  // Channel
  EXPECT_TRUE(decode_body<ReadRequest>(message)->read_channel_info.empty());
}

TEST(ReadResponse, HeadFollowedByPayloadEqualsEncode) {
  const Bytes message = unhex(captures::kReadResponse);
  const auto response = decode_body<ReadResponse>(message);
  ASSERT_TRUE(response);
  EXPECT_EQ(as_text(response->data), "hello world\n");
  Bytes out;
  Writer w(out);
  response->encode_head(w, static_cast<uint32_t>(response->data.size()));
  EXPECT_EQ(out.size() + Header::kSize, ReadResponse::kDataOffset);
  w.bytes(response->data);
  EXPECT_EQ(out, Bytes(message.begin() + Header::kSize, message.end()));
}

TEST(ReadResponse, DataPastTheEndIsTruncated) {
  Bytes message = unhex(captures::kReadResponse);
  message[Header::kSize + 4] += 1;
  EXPECT_EQ(decode_body<ReadResponse>(message).error(), Error::truncated());
}

TEST(WriteRequest, HeadFollowedByPayloadEqualsEncode) {
  const Bytes message = unhex(captures::kWriteRequest);
  const auto request = decode_body<WriteRequest>(message);
  ASSERT_TRUE(request);
  EXPECT_EQ(as_text(request->data), "hello world\n");
  Bytes out;
  Writer w(out);
  request->encode_head(w, static_cast<uint32_t>(request->data.size()));
  EXPECT_EQ(out.size() + Header::kSize, WriteRequest::kDataOffset);
  w.bytes(request->data);
  EXPECT_EQ(out, Bytes(message.begin() + Header::kSize, message.end()));
}

TEST(WriteRequest, DataOffsetAbove0x100IsMalformed) {
  Bytes message = unhex(captures::kWriteRequest);
  message.resize(0x200);
  message[Header::kSize + 2] = 0x00;
  message[Header::kSize + 3] = 0x01;
  EXPECT_TRUE(decode_body<WriteRequest>(message));
  message[Header::kSize + 2] = 0x01;
  EXPECT_EQ(decode_body<WriteRequest>(message).error(), Error::malformed());
}

TEST(WriteRequest, PayloadHereAndOverRdmaIsTold) {
  Bytes message = unhex(captures::kWriteRequest);
  message[Header::kSize + 32] = 1;     // Channel
  message[Header::kSize + 40] = 0x70;  // WriteChannelInfoOffset
  message[Header::kSize + 42] = 4;     // WriteChannelInfoLength
  EXPECT_TRUE(decode_body<WriteRequest>(message)->has_both);
  message[Header::kSize + 4] = 0;  // Length
  EXPECT_TRUE(decode_body<WriteRequest>(message)->has_both);
  message[Header::kSize + 2] = 0;  // DataOffset
  EXPECT_FALSE(decode_body<WriteRequest>(message)->has_both);
}

TEST(WriteRequest, LengthOfFourGigabytesIsTruncated) {
  Bytes message = unhex(captures::kWriteRequest);
  for (size_t i = 4; i < 8; ++i) message[Header::kSize + i] = 0xFF;
  EXPECT_EQ(decode_body<WriteRequest>(message).error(), Error::truncated());
}

}  // namespace
}  // namespace braid::wire
