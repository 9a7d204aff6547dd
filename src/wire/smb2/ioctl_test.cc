#include "wire/smb2/ioctl.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/smb2/captures_testing.h"
#include "wire/smb2/codec_testing.h"
#include "wire/smb2/duplicate_extents.h"
#include "wire/smb2/file_ranges.h"
#include "wire/smb2/header.h"
#include "wire/smb2/network_interface_info.h"
#include "wire/smb2/network_resiliency.h"
#include "wire/smb2/pipe_fsctl.h"
#include "wire/smb2/srv_copychunk.h"
#include "wire/smb2/srv_snapshot_array.h"
#include "wire/smb2/validate_negotiate_info.h"

namespace braid::wire {
namespace {

TEST(Ioctl, NetworkInterfacesOfSmbdDecode) {
  const Bytes request_message = unhex(captures::kIoctlNetworkInterfaceInfoRequest);
  const auto request = decode_body<IoctlRequest>(request_message);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->ctl_code, Fsctl::kQueryNetworkInterfaceInfo);
  EXPECT_EQ(request->file_id, FileId::all_ones());
  EXPECT_TRUE(request->is_fsctl());
  const Bytes message = unhex(captures::kIoctlNetworkInterfaceInfoResponse);
  const auto response = decode_body<IoctlResponse>(message);
  ASSERT_TRUE(response);
  const auto info = decode_payload<NetworkInterfaceInfoResponse>(response->output);
  ASSERT_TRUE(info);
  ASSERT_EQ(info->interfaces.size(), 2u);
  EXPECT_EQ(info->interfaces[0].if_index, 1u);
  EXPECT_EQ(info->interfaces[0].link_speed, 1'000'000'000u);
  EXPECT_EQ(info->interfaces[0].family, AddressFamily::kInterNetwork);
  EXPECT_EQ(info->interfaces[0].address, (std::array<uint8_t, 16>{127, 0, 0, 1}));
  EXPECT_EQ(info->interfaces[1].family, AddressFamily::kInterNetworkV6);
  EXPECT_EQ(info->interfaces[1].address[15], 1);
  EXPECT_EQ(encode_payload(*info), Bytes(response->output.begin(), response->output.end()));
}

TEST(Ioctl, CopychunkOfSmbtortureDecodes) {
  const Bytes key_message = unhex(captures::kIoctlResumeKeyResponse);
  const auto key_response = decode_body<IoctlResponse>(key_message);
  ASSERT_TRUE(key_response);
  EXPECT_EQ(key_response->output.size(), SrvRequestResumeKeyResponse::kSize);
  const auto key = decode_payload<SrvRequestResumeKeyResponse>(key_response->output);
  ASSERT_TRUE(key);
  EXPECT_EQ(encode_payload(*key), Bytes(key_response->output.begin(), key_response->output.end()));
  const Bytes message = unhex(captures::kIoctlCopychunkRequest);
  const auto request = decode_body<IoctlRequest>(message);
  ASSERT_TRUE(request);
  const auto copy = decode_payload<SrvCopychunkCopy>(request->input);
  ASSERT_TRUE(copy);
  ASSERT_EQ(copy->chunks.size(), 1u);
  EXPECT_EQ(copy->chunks[0], (SrvCopychunk{0, 0, 4096}));
  EXPECT_EQ(encode_payload(*copy), Bytes(request->input.begin(), request->input.end()));
  const auto done_message = unhex(captures::kIoctlCopychunkResponse);
  const auto done = decode_body<IoctlResponse>(done_message);
  EXPECT_EQ(decode_payload<SrvCopychunkResponse>(done->output)->total_bytes_written, 4096u);
}

TEST(Ioctl, MoreChunksThanBytesIsTruncated) {
  SrvCopychunkCopy copy;
  copy.chunks.resize(2);
  Bytes payload = encode_payload(copy);
  payload[24] = 3;
  EXPECT_EQ(decode_payload<SrvCopychunkCopy>(payload).error(), Error::truncated());
  for (size_t i = 24; i < 28; ++i) payload[i] = 0xFF;
  EXPECT_EQ(decode_payload<SrvCopychunkCopy>(payload).error(), Error::truncated());
}

TEST(Ioctl, OutputFollowsInputAtTheNextMultipleOfEight) {
  const Bytes input = unhex("010203");
  const Bytes output = unhex("0405060708");
  IoctlResponse response;
  response.ctl_code = Fsctl::kPipeTransceive;
  response.input = input;
  response.output = output;
  Bytes message(Header::kSize);
  Writer w(message, 0);
  response.encode(w);
  EXPECT_EQ(message.size(), 0x78u + output.size());
  const auto again = decode_body<IoctlResponse>(message);
  ASSERT_TRUE(again);
  EXPECT_EQ(Bytes(again->output.begin(), again->output.end()), output);
  EXPECT_EQ(Bytes(again->input.begin(), again->input.end()), input);
}

// [MS-SMB2] 3.3.5.15.9: "OutputOffset MUST be set to InputOffset + InputCount, rounded up".
TEST(Ioctl, OutputOffsetIsSetWithoutOutput) {
  const Bytes inputs[] = {{}, unhex("010203")};
  for (const Bytes& input : inputs) {
    IoctlResponse response;
    response.ctl_code = Fsctl::kLmrRequestResiliency;
    response.input = input;
    Bytes message(Header::kSize);
    Writer w(message, 0);
    response.encode(w);
    Reader r(message, Header::kSize + 24);
    EXPECT_EQ(r.u32(), 112u);
    EXPECT_EQ(r.u32(), input.size());
    EXPECT_EQ(r.u32(), input.empty() ? 112u : 120u);
    EXPECT_EQ(r.u32(), 0u);
    EXPECT_EQ(message.size(), 112 + input.size());
    EXPECT_TRUE(decode_body<IoctlResponse>(message));
  }
}

TEST(Ioctl, CodesHaveNames) {
  EXPECT_EQ(name_of(Fsctl::kValidateNegotiateInfo), "FSCTL_VALIDATE_NEGOTIATE_INFO");
  EXPECT_EQ(name_of(static_cast<Fsctl>(1)), "unknown");
}

TEST(NetworkInterfaceInfo, BrokenChainsAreErrors) {
  NetworkInterfaceInfoResponse info;
  info.interfaces.resize(2);
  Bytes payload = encode_payload(info);
  ASSERT_EQ(payload.size(), 2 * NetworkInterfaceInfo::kSize);
  payload[0] = 8;  // into itself
  EXPECT_EQ(decode_payload<NetworkInterfaceInfoResponse>(payload).error(), Error::malformed());
  payload[0] = 0xFF;  // past the second, where no third is
  payload[1] = 0xFF;
  EXPECT_EQ(decode_payload<NetworkInterfaceInfoResponse>(payload).error(), Error::malformed());
}

TEST(ValidateNegotiateInfo, RequestAndResponseGoBothWays) {
  ValidateNegotiateInfoRequest request;
  request.capabilities = 0x7F;
  request.guid.bytes.fill(3);
  request.security_mode = SecurityMode::kSigningRequired;
  request.dialects = {Dialect::kSmb210, Dialect::kSmb302};
  const Bytes payload = encode_payload(request);
  EXPECT_EQ(payload, unhex("7F000000 03030303030303030303030303030303 0200 0200 1002 0203"));
  EXPECT_EQ(decode_payload<ValidateNegotiateInfoRequest>(payload)->dialects, request.dialects);
  ValidateNegotiateInfoResponse response{0x7F, {}, 3, Dialect::kSmb302};
  const Bytes answer = encode_payload(response);
  EXPECT_EQ(answer.size(), ValidateNegotiateInfoResponse::kSize);
  EXPECT_EQ(decode_payload<ValidateNegotiateInfoResponse>(answer)->dialect, Dialect::kSmb302);
}

TEST(SrvSnapshotArray, TokensGoBothWaysAndOnlyCountsWhenNoneFit) {
  SrvSnapshotArray array;
  array.number_of_snapshots = 2;
  array.snapshot_array_size = SrvSnapshotArray::array_size_for(2);
  EXPECT_EQ(encode_payload(array), unhex("02000000 00000000 66000000"));
  array.snapshots = {"@GMT-2020.01.02-03.04.05", "@GMT-2021.01.02-03.04.05"};
  const Bytes payload = encode_payload(array);
  EXPECT_EQ(payload.size(), SrvSnapshotArray::kHeadSize + array.snapshot_array_size);
  EXPECT_EQ(decode_payload<SrvSnapshotArray>(payload)->snapshots, array.snapshots);
}

TEST(FsctlPayloads, TheSmallOnesGoBothWays) {
  EXPECT_EQ(decode_payload<NetworkResiliencyRequest>(unhex("60EA0000 00000000"))->timeout_ms,
            60000u);
  const auto wait = decode_payload<PipeWaitRequest>(
      unhex("6400000000000000 0C000000 01 00 730072007600730076006300"));
  ASSERT_TRUE(wait);
  EXPECT_EQ(wait->name, "srvsvc");
  EXPECT_EQ(wait->timeout, 100);
  EXPECT_TRUE(wait->timeout_specified);
  EXPECT_EQ(decode_payload<PipeWaitRequest>(unhex("0000000000000000 02000000 00 00")).error(),
            Error::truncated());
  const Bytes peek_bytes = unhex("03000000 05000000 01000000 05000000 AABB");
  const auto peek = decode_payload<PipePeekReply>(peek_bytes);
  EXPECT_EQ(encode_payload(*peek), peek_bytes);
  DuplicateExtentsDataEx extents{{1, 2}, 4096, 8192, -1, 1};
  const Bytes extents_bytes = encode_payload(extents);
  EXPECT_EQ(extents_bytes.size(), 56u);
  EXPECT_EQ(decode_payload<DuplicateExtentsDataEx>(extents_bytes)->byte_count, -1);
  EXPECT_EQ(
      decode_payload<DuplicateExtentsData>(ByteView(extents_bytes).subspan(8))->target_file_offset,
      8192);
  FileLevelTrim trim{0, {{0, 10}, {20, 30}}};
  EXPECT_EQ(decode_payload<FileLevelTrim>(encode_payload(trim))->ranges, trim.ranges);
  EXPECT_EQ(decode_payload<FileLevelTrim>(unhex("00000000 FFFFFFFF")).error(), Error::truncated());
  EXPECT_EQ(decode_payload<FileZeroDataInformation>(unhex("0100000000000000 FFFFFFFFFFFFFFFF"))
                ->beyond_final_zero,
            -1);
  QueryAllocatedRangesReply ranges{{{0, 4096}, {8192, 1}}};
  Bytes ranges_bytes = encode_payload(ranges);
  EXPECT_EQ(decode_payload<QueryAllocatedRangesReply>(ranges_bytes)->ranges, ranges.ranges);
  ranges_bytes.pop_back();
  EXPECT_EQ(decode_payload<QueryAllocatedRangesReply>(ranges_bytes).error(), Error::malformed());
}

}  // namespace
}  // namespace braid::wire
