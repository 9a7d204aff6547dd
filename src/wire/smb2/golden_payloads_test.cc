// Messages with lists of contexts, and the payloads of FSCTLs: see golden_testing.h.
#include <gtest/gtest.h>

#include <string>

#include "wire/golden_testing.h"
#include "wire/smb2/codec_testing.h"
#include "wire/smb2/create.h"
#include "wire/smb2/duplicate_extents.h"
#include "wire/smb2/file_ranges.h"
#include "wire/smb2/negotiate.h"
#include "wire/smb2/network_interface_info.h"
#include "wire/smb2/network_resiliency.h"
#include "wire/smb2/offload.h"
#include "wire/smb2/pipe_fsctl.h"
#include "wire/smb2/srv_copychunk.h"
#include "wire/smb2/srv_snapshot_array.h"
#include "wire/smb2/validate_negotiate_info.h"

namespace braid::wire {
namespace {

// "F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8" on the wire.
constexpr FileId kPayloadFile{0xF8F7F6F5F4F3F2F1, 0xE8E7E6E5E4E3E2E1};
const Bytes kPayloadData = {0xD1, 0xD2, 0xD3, 0xD4, 0xD5};

TEST(Golden, NegotiateRequest) {
  golden_body<NegotiateRequest>({.security_mode = 0x0201,
                                 .capabilities = 0x14131211,
                                 .client_guid = id_from<ClientGuid>(0xA0),
                                 .client_start_time = 0x2827262524232221,
                                 .dialects = {Dialect::kSmb202, Dialect::kSmb210}},
                                "2400 0200 0102 (0000) 11121314 A0A1A2A3A4A5A6A7A8A9AAABACADAEAF"
                                "2122232425262728 0202 1002");
  NegotiateContexts contexts;
  contexts.preauth_integrity_capabilities =
      PreauthIntegrityCapabilities{{HashAlgorithm::kSha512}, ByteView(kPayloadData).first(4)};
  contexts.encryption_capabilities = {Cipher::kAes128Gcm, Cipher::kAes128Ccm};
  contexts.compression_capabilities =
      CompressionCapabilities{0x14131211, {CompressionAlgorithm::kLz77}};
  contexts.netname = "ab";
  contexts.transport_capabilities = TransportCapabilities{0x24232221};
  contexts.rdma_transform_capabilities = RdmaTransformCapabilities{{RdmaTransformId::kSigning}};
  contexts.signing_capabilities = {SigningAlgorithm::kAesGmac};
  contexts.posix_extensions_available = true;
  golden_body<NegotiateRequest>(
      {.security_mode = 0x0201, .dialects = {Dialect::kSmb311}, .contexts = contexts},
      "2400 0100 0102 (0000) 00000000 00000000000000000000000000000000 68000000 0800 (0000) 1103"
      "(0000) 0100 [0A]00 (00000000) 0100 0400 0100 D1D2D3D4 (000000000000)"
      "0200 [06]00 (00000000) 0200 0200 0100 (0000)"
      "0300 [0A]00 (00000000) 0100 (0000) 11121314 0200 (000000000000)"
      "0500 0400 (00000000) 61006200 (00000000)"
      "0600 [04]00 (00000000) 21222324 (00000000)"
      "0700 [0A]00 (00000000) 0100 (0000 00000000) 0200 (000000000000)"
      "0800 [04]00 (00000000) 0100 0200 (00000000)"
      "0001 1000 (00000000) 93AD25509CB411E7B42383DE968BCD7C");
}

TEST(Golden, NegotiateResponse) {
  NegotiateContexts contexts;
  contexts.signing_capabilities = {SigningAlgorithm::kAesGmac};
  NegotiateResponse response{.security_mode = 0x0201,
                             .dialect_revision = Dialect::kSmb311,
                             .server_guid = id_from<Guid>(0xA0),
                             .capabilities = 0x14131211,
                             .max_transact_size = 0x24232221,
                             .max_read_size = 0x34333231,
                             .max_write_size = 0x44434241,
                             .system_time = {0x5857565554535251},
                             .server_start_time = {0x6867666564636261},
                             .security_buffer = kPayloadData,
                             .contexts = contexts};
  golden_body<NegotiateResponse>(
      response,
      "4100 0102 1103 0100 A0A1A2A3A4A5A6A7A8A9AAABACADAEAF 11121314 21222324 31323334 41424344"
      "5152535455565758 6162636465666768 8000 0500 88000000 D1D2D3D4D5 (000000)"
      "0800 0400 (00000000) 0100 0200");
  response.dialect_revision = Dialect::kSmb302;
  response.contexts.reset();
  golden_body<NegotiateResponse>(
      response,
      "4100 0102 0203 (0000) A0A1A2A3A4A5A6A7A8A9AAABACADAEAF 11121314 21222324 31323334 41424344"
      "5152535455565758 6162636465666768 8000 0500 (00000000) D1D2D3D4D5");
}

TEST(Golden, CreateRequest) {
  CreateRequest request{.requested_oplock_level = OplockLevel::kBatch,
                        .impersonation_level = static_cast<ImpersonationLevel>(0x04030201),
                        .desired_access = 0x14131211,
                        .file_attributes = 0x24232221,
                        .share_access = 0x34333231,
                        .create_disposition = static_cast<CreateDisposition>(0x44434241),
                        .create_options = 0x54535251,
                        .name = "ab",
                        .contexts = {}};
  golden_body<CreateRequest>(request,
                             "3900 (00) 09 01020304 (0000000000000000 0000000000000000) 11121314"
                             "21222324 31323334 41424344 51525354 7800 0400 (00000000) 00000000"
                             "61006200");
  CreateRequestContexts& contexts = request.contexts;
  contexts.ea_buffer = kPayloadData;
  contexts.sd_buffer = ByteView(kPayloadData).first(3);
  contexts.durable_handle_request = true;
  contexts.durable_handle_reconnect = kPayloadFile;
  contexts.durable_handle_request_v2 =
      DurableHandleRequestV2{0x04030201, 0x14131211, id_from<CreateGuid>(0xA0)};
  contexts.durable_handle_reconnect_v2 =
      DurableHandleReconnectV2{kPayloadFile, id_from<CreateGuid>(0xB0), 0x24232221};
  contexts.allocation_size = 0x3837363534333231;
  contexts.query_maximal_access = QueryMaximalAccessRequest{FileTime{0x4847464544434241}};
  contexts.timewarp_token = FileTime{0x5857565554535251};
  contexts.query_on_disk_id = true;
  contexts.request_lease = LeaseContext{2,          id_from<LeaseKey>(0xC0), 0x64636261,
                                        0x74737271, id_from<LeaseKey>(0xD0), 0x8281};
  contexts.app_instance_id = id_from<AppInstanceId>(0xE0);
  contexts.app_instance_version = AppInstanceVersion{0x1817161514131211, 0x2827262524232221};
  contexts.posix = PosixCreateRequest{0x34333231};
  contexts.aapl = ByteView(kPayloadData).first(4);
  golden_body<CreateRequest>(
      request,
      "3900 (00) 09 01020304 (0000000000000000 0000000000000000) 11121314 21222324 31323334"
      "41424344 51525354 7800 0400 80000000 84020000 61006200 (00000000)"
      // ExtA, SecD, DHnQ, DHnC
      "20000000 1000 0400 (0000) 1800 05000000 45787441 (00000000) D1D2D3D4D5 (000000)"
      "20000000 1000 0400 (0000) 1800 03000000 53656344 (00000000) D1D2D3 (0000000000)"
      "28000000 1000 0400 (0000) 1800 10000000 44486E51 (00000000)"
      "(00000000000000000000000000000000)"
      "28000000 1000 0400 (0000) 1800 10000000 44486E43 (00000000)"
      "F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8"
      // DH2Q, DH2C
      "38000000 1000 0400 (0000) 1800 20000000 44483251 (00000000) 01020304 11121314"
      "(0000000000000000) A0A1A2A3A4A5A6A7A8A9AAABACADAEAF"
      "40000000 1000 0400 (0000) 1800 24000000 44483243 (00000000)"
      "F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8 B0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF 21222324 (00000000)"
      // AlSi, MxAc, TWrp, QFid
      "20000000 1000 0400 (0000) 1800 08000000 416C5369 (00000000) 3132333435363738"
      "20000000 1000 0400 (0000) 1800 08000000 4D784163 (00000000) 4142434445464748"
      "20000000 1000 0400 (0000) 1800 08000000 54577270 (00000000) 5152535455565758"
      "18000000 1000 0400 (0000 0000) 00000000 51466964 (00000000)"
      // RqLs
      "50000000 1000 0400 (0000) 1800 34000000 52714C73 (00000000)"
      "C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF 61626364 71727374 (0000000000000000)"
      "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF 8182 (0000) (00000000)"
      // SMB2_CREATE_APP_INSTANCE_ID, SMB2_CREATE_APP_INSTANCE_VERSION
      "38000000 1000 1000 (0000) 2000 [14]000000 45BCA66AEFA7F74A9008FA462E144D74"
      "1400 (0000) E0E1E2E3E4E5E6E7E8E9EAEBECEDEEEF (00000000)"
      "38000000 1000 1000 (0000) 2000 18000000 B982D0B73B56074FA07B524A8116A010"
      "1800 (0000 00000000) 1112131415161718 2122232425262728"
      // POSIX, AAPL
      "28000000 1000 1000 (0000) 2000 04000000 93AD25509CB411E7B42383DE968BCD7C 31323334 (00000000)"
      "00000000 1000 0400 (0000) 1800 04000000 4141504C (00000000) D1D2D3D4");
}

TEST(Golden, CreateResponse) {
  const Bytes owner = unhex("0101 000000000005 12000000");
  const Bytes group = unhex("0102 000000000005 20000000 20020000");
  CreateResponse response{.oplock_level = OplockLevel::kBatch,
                          .flags = 0x02,
                          .create_action = static_cast<CreateAction>(0x04030201),
                          .creation_time = {0x1817161514131211},
                          .last_access_time = {0x2827262524232221},
                          .last_write_time = {0x3837363534333231},
                          .change_time = {0x4847464544434241},
                          .allocation_size = 0x5857565554535251,
                          .end_of_file = 0x6867666564636261,
                          .file_attributes = 0x74737271,
                          .file_id = kPayloadFile,
                          .contexts = {}};
  CreateResponseContexts& contexts = response.contexts;
  contexts.durable_handle_response = true;
  contexts.query_maximal_access = QueryMaximalAccessResponse{NtStatus::kPending, 0x14131211};
  contexts.query_on_disk_id = QueryOnDiskIdResponse{0x2827262524232221, 0x3837363534333231};
  contexts.response_lease = LeaseContext{1, id_from<LeaseKey>(0xC0), 0x64636261, 0x74737271, {}, 0};
  contexts.durable_handle_response_v2 = DurableHandleResponseV2{0x04030201, 0x14131211};
  contexts.posix = PosixCreateResponse{0x04030201, 0x14131211, 0x24232221, owner, group};
  contexts.aapl = ByteView(kPayloadData).first(4);
  golden_body<CreateResponse>(
      response,
      "5900 09 02 01020304 1112131415161718 2122232425262728 3132333435363738 4142434445464748"
      "5152535455565758 6162636465666768 71727374 (00000000) F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8"
      "98000000 34010000"
      "20000000 1000 0400 (0000) 1800 08000000 44486E51 (00000000) (0000000000000000)"
      "20000000 1000 0400 (0000) 1800 08000000 4D784163 (00000000) 03010000 11121314"
      "38000000 1000 0400 (0000) 1800 20000000 51466964 (00000000)"
      "2122232425262728 3132333435363738 (00000000000000000000000000000000)"
      "38000000 1000 0400 (0000) 1800 20000000 52714C73 (00000000)"
      "C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF 61626364 71727374 (0000000000000000)"
      "20000000 1000 0400 (0000) 1800 08000000 44483251 (00000000) 01020304 11121314"
      "48000000 1000 1000 (0000) 2000 28000000 93AD25509CB411E7B42383DE968BCD7C"
      "01020304 11121314 21222324 0101000000000005 12000000 0102000000000005 20000000 20020000"
      "00000000 1000 0400 (0000) 1800 04000000 4141504C (00000000) D1D2D3D4");
}

TEST(Golden, SmallPayloads) {
  golden<NetworkResiliencyRequest>({.timeout_ms = 0x04030201}, "01020304 (00000000)");
  golden<ValidateNegotiateInfoRequest>({.capabilities = 0x04030201,
                                        .guid = id_from<ClientGuid>(0xA0),
                                        .security_mode = 0x1211,
                                        .dialects = {Dialect::kSmb210, Dialect::kSmb302}},
                                       "01020304 A0A1A2A3A4A5A6A7A8A9AAABACADAEAF 1112 0200"
                                       "1002 0203");
  golden<ValidateNegotiateInfoResponse>({.capabilities = 0x04030201,
                                         .guid = id_from<Guid>(0xA0),
                                         .security_mode = 0x1211,
                                         .dialect = Dialect::kSmb302},
                                        "01020304 A0A1A2A3A4A5A6A7A8A9AAABACADAEAF 1112 0203");
  golden<PipeWaitRequest>({.timeout = 0x1817161514131211, .timeout_specified = true, .name = "ab"},
                          "1112131415161718 04000000 01 (00) 61006200");
  golden<PipePeekReply>({.named_pipe_state = 0x04030201,
                         .read_data_available = 0x14131211,
                         .number_of_messages = 0x24232221,
                         .message_length = 0x34333231,
                         .data = kPayloadData},
                        "01020304 11121314 21222324 31323334 | D1D2D3D4D5");
}

TEST(Golden, RangesAndCopies) {
  golden<DuplicateExtentsData>({.source_file_id = kPayloadFile,
                                .source_file_offset = 0x1817161514131211,
                                .target_file_offset = 0x2827262524232221,
                                .byte_count = 0x3837363534333231},
                               "F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8 1112131415161718"
                               "2122232425262728 3132333435363738");
  golden<DuplicateExtentsDataEx>({.source_file_id = kPayloadFile,
                                  .source_file_offset = 0x1817161514131211,
                                  .target_file_offset = 0x2827262524232221,
                                  .byte_count = 0x3837363534333231,
                                  .flags = 0x44434241},
                                 "3000000000000000 F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8"
                                 "1112131415161718 2122232425262728 3132333435363738 41424344"
                                 "(00000000)");
  golden<FileLevelTrim>({.key = 0x04030201,
                         .ranges = {{0x1817161514131211, 0x2827262524232221},
                                    {0x3837363534333231, 0x4847464544434241}}},
                        "01020304 02000000 1112131415161718 2122232425262728 3132333435363738"
                        "4142434445464748");
  golden<FileLevelTrimOutput>({.num_ranges_processed = 0x04030201}, "01020304");
  golden<FileZeroDataInformation>(
      {.file_offset = 0x1817161514131211, .beyond_final_zero = 0x2827262524232221},
      "1112131415161718 2122232425262728");
  golden<FileAllocatedRangeBuffer>(
      {.file_offset = 0x1817161514131211, .length = 0x2827262524232221},
      "1112131415161718 2122232425262728");
  golden_uncut<QueryAllocatedRangesReply>({.ranges = {{0x1817161514131211, 0x2827262524232221},
                                                      {0x3837363534333231, 0x4847464544434241}}},
                                          "1112131415161718 2122232425262728 3132333435363738"
                                          "4142434445464748");
  SrvRequestResumeKeyResponse key;
  for (size_t i = 0; i < key.resume_key.size(); ++i) {
    key.resume_key[i] = static_cast<uint8_t>(0xA0 + i);
  }
  golden<SrvRequestResumeKeyResponse>(
      key, "A0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7 (00000000) | (00000000)");
  golden<SrvCopychunkCopy>({.source_key = key.resume_key,
                            .chunks = {{0x1817161514131211, 0x2827262524232221, 0x34333231},
                                       {0x4847464544434241, 0x5857565554535251, 0x64636261}}},
                           "A0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7 02000000 (00000000)"
                           "1112131415161718 2122232425262728 31323334 (00000000)"
                           "4142434445464748 5152535455565758 61626364 (00000000)");
  golden<SrvCopychunkResponse>({.chunks_written = 0x04030201,
                                .chunk_bytes_written = 0x14131211,
                                .total_bytes_written = 0x24232221},
                               "01020304 11121314 21222324");
  golden<SrvSnapshotArray>({.number_of_snapshots = 0x04030201,
                            .snapshot_array_size = 0x14131211,
                            .snapshots = {"@GMT-2020.01.02-03.04.05"}},
                           "01020304 01000000 11121314"
                           "400047004D0054002D0032003000320030002E00300031002E00300032002D00"
                           "300033002E00300034002E0030003500 (0000) | (0000)");
}

TEST(QueryAllocatedRangesReply, CutsBetweenRangesAreShorterRepliesAndOthersMalformed) {
  for (size_t size = 0; size <= 3 * FileAllocatedRangeBuffer::kSize; ++size) {
    const auto reply = decode_payload<QueryAllocatedRangesReply>(Bytes(size));
    if (size % FileAllocatedRangeBuffer::kSize == 0) {
      ASSERT_TRUE(reply) << size;
      EXPECT_EQ(reply->ranges.size(), size / FileAllocatedRangeBuffer::kSize);
    } else {
      ASSERT_FALSE(reply) << size;
      EXPECT_EQ(reply.error(), Error::malformed()) << size;
    }
  }
}

TEST(Golden, Offload) {
  StorageOffloadToken token{.type = 0x01020304, .id_length = 0x01F2};
  std::string hex = "01020304 (0000) 01F2";
  for (size_t i = 0; i < token.id.size(); ++i) {
    token.id[i] = static_cast<uint8_t>(i * 7 + 1);
    hex += hex_of(ByteView(token.id).subspan(i, 1));
  }
  golden<StorageOffloadToken>(token, hex);
  golden<OffloadReadInput>({.token_time_to_live_ms = 0x04030201,
                            .file_offset = 0x1817161514131211,
                            .copy_length = 0x2827262524232221},
                           "20000000 (00000000) 01020304 (00000000) 1112131415161718"
                           "2122232425262728");
  golden<OffloadReadOutput>(
      {.flags = 0x04030201, .transfer_length = 0x1817161514131211, .token = token},
      "10020000 01020304 1112131415161718" + hex);
  golden<OffloadWriteInput>({.file_offset = 0x1817161514131211,
                             .copy_length = 0x2827262524232221,
                             .transfer_offset = 0x3837363534333231,
                             .token = token},
                            "20020000 (00000000) 1112131415161718 2122232425262728"
                            "3132333435363738" +
                                hex);
  golden<OffloadWriteOutput>({.length_written = 0x1817161514131211},
                             "10000000 (00000000) 1112131415161718");
}

TEST(StorageOffloadToken, IdIsNoLongerThanItsRoom) {
  StorageOffloadToken token;
  token.id_length = StorageOffloadToken::kIdSize;
  EXPECT_EQ(decode_payload<StorageOffloadToken>(encode_payload(token)).value(), token);
  token.id_length++;
  EXPECT_EQ(decode_payload<StorageOffloadToken>(encode_payload(token)).error(), Error::malformed());
}

TEST(Golden, NetworkInterfaceInfo) {
  NetworkInterfaceInfo v4{.if_index = 0x04030201,
                          .capability = 0x14131211,
                          .link_speed = 0x2827262524232221,
                          .port = 0x3132};
  NetworkInterfaceInfo v6 = v4;
  v6.family = AddressFamily::kInterNetworkV6;
  v6.scope_id = 0x44434241;
  std::copy_n(id_from<Guid>(0xA0).bytes.begin(), 4, v4.address.begin());
  v6.address = id_from<Guid>(0xB0).bytes;
  const std::string v4_rest(2 * (NetworkInterfaceInfo::kSize - 32), '0');
  const std::string v6_rest(2 * (NetworkInterfaceInfo::kSize - 52), '0');
  const std::string text =
      "98000000 01020304 11121314 (00000000) 2122232425262728 0200 3132 A0A1A2A3 (" + v4_rest +
      ") 00000000 01020304 11121314 (00000000) 2122232425262728 1700 3132 (00000000)"
      "B0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF 41424344 | (" +
      v6_rest + ")";
  golden_uncut<NetworkInterfaceInfoResponse>({.interfaces = {v4, v6}}, text);
  const Bytes whole = GoldenBytes(text, 0).whole;
  for (size_t size = 1; size < NetworkInterfaceInfo::kSize + 52; ++size) {
    const auto cut = decode_payload<NetworkInterfaceInfoResponse>(ByteView(whole).first(size));
    ASSERT_FALSE(cut) << size;
    // Of the first, its end may be missing, but not where it says that the next one is.
    const bool in_fixed_part = size < 32 || size > NetworkInterfaceInfo::kSize;
    EXPECT_EQ(cut.error(), in_fixed_part ? Error::truncated() : Error::malformed()) << size;
  }
  EXPECT_TRUE(decode_payload<NetworkInterfaceInfoResponse>({}).value().interfaces.empty());
}

TEST(NetworkInterfaceInfo, OtherFamiliesAreSkippedAndTheListHasAnEnd) {
  NetworkInterfaceInfoResponse info;
  info.interfaces.resize(NetworkInterfaceInfoResponse::kInterfacesMax);
  info.interfaces[0].family = static_cast<AddressFamily>(0x0003);
  EXPECT_EQ(decode_payload<NetworkInterfaceInfoResponse>(encode_payload(info)).value().interfaces,
            std::vector(info.interfaces.begin() + 1, info.interfaces.end()));
  info.interfaces[0].family = AddressFamily::kInterNetwork;
  EXPECT_EQ(decode_payload<NetworkInterfaceInfoResponse>(encode_payload(info)).value().interfaces,
            info.interfaces);
  info.interfaces.emplace_back();
  EXPECT_EQ(decode_payload<NetworkInterfaceInfoResponse>(encode_payload(info)).error(),
            Error::malformed());
}

}  // namespace
}  // namespace braid::wire
