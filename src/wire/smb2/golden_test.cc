// The bodies of [MS-SMB2] 2.2 and the headers around them: see golden_testing.h.
#include <gtest/gtest.h>

#include "wire/golden_testing.h"
#include "wire/smb2/cancel.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/close.h"
#include "wire/smb2/compression_transform_header.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/error_response.h"
#include "wire/smb2/flush.h"
#include "wire/smb2/header.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/logoff.h"
#include "wire/smb2/oplock_break.h"
#include "wire/smb2/query_directory.h"
#include "wire/smb2/query_info.h"
#include "wire/smb2/read.h"
#include "wire/smb2/server_to_client_notification.h"
#include "wire/smb2/session_setup.h"
#include "wire/smb2/set_info.h"
#include "wire/smb2/smb1_negotiate.h"
#include "wire/smb2/transform_header.h"
#include "wire/smb2/tree_connect.h"
#include "wire/smb2/tree_disconnect.h"
#include "wire/smb2/write.h"

namespace braid::wire {
namespace {

// "F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8" on the wire.
constexpr FileId kGoldenFile{0xF8F7F6F5F4F3F2F1, 0xE8E7E6E5E4E3E2E1};
const Bytes kGoldenData = {0xD1, 0xD2, 0xD3, 0xD4, 0xD5};

TEST(Golden, Header) {
  Signature signature;
  for (size_t i = 0; i < signature.size(); ++i) signature[i] = static_cast<uint8_t>(0xA0 + i);
  golden<Header>({.credit_charge = 0x0201,
                  .channel_sequence = 0x0403,
                  .command = Command::kCreate,
                  .credits = 0x0605,
                  .flags = HeaderFlags::kSigned | HeaderFlags::kDfsOperations,
                  .next_command = 0x0A090807,
                  .message_id = {0x1817161514131211},
                  .process_id = 0x24232221,
                  .tree_id = {0x34333231},
                  .session_id = {0x4847464544434241},
                  .signature = signature},
                 "FE534D42 4000 0102 0304 (0000) 0500 0506 08000010 0708090A 1112131415161718"
                 "21222324 31323334 4142434445464748 A0A1A2A3A4A5A6A7A8A9AAABACADAEAF");
  golden<Header>({.credit_charge = 0x0201,
                  .status = NtStatus::kPending,
                  .command = Command::kLock,
                  .credits = 0x0605,
                  .flags = HeaderFlags::kServerToRedir | HeaderFlags::kAsyncCommand,
                  .next_command = 0x0A090807,
                  .message_id = {0x1817161514131211},
                  .async_id = {0x2827262524232221},
                  .session_id = {0x4847464544434241},
                  .signature = signature},
                 "FE534D42 4000 0102 03010000 0A00 0506 03000000 0708090A 1112131415161718"
                 "2122232425262728 4142434445464748 A0A1A2A3A4A5A6A7A8A9AAABACADAEAF");
}

TEST(Golden, Envelopes) {
  TransformHeader sealed{
      .original_message_size = 0x24232221, .flags = 0x3231, .session_id = {0x4847464544434241}};
  for (uint8_t i = 0; i < 16; ++i) {
    sealed.signature[i] = static_cast<uint8_t>(0xA0 + i);
    sealed.nonce[i] = static_cast<uint8_t>(0xB0 + i);
  }
  golden<TransformHeader>(sealed,
                          "FD534D42 A0A1A2A3A4A5A6A7A8A9AAABACADAEAF"
                          "B0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF 21222324 (0000) 3132 4142434445464748");
  golden<CompressionTransformHeaderUnchained>({.original_compressed_segment_size = 0x04030201,
                                               .compression_algorithm = CompressionAlgorithm::kLz77,
                                               .offset = 0x14131211},
                                              "FC534D42 01020304 0200 0000 11121314");
  golden<CompressionTransformHeaderChained>({.original_compressed_segment_size = 0x04030201},
                                            "FC534D42 01020304");
  golden<CompressionChainedPayload>({.compression_algorithm = CompressionAlgorithm::kLz77Huffman,
                                     .flags = 0x0201,
                                     .original_payload_size = 0x14131211,
                                     .payload = kGoldenData},
                                    "0300 0102 09000000 11121314 D1D2D3D4D5");
  golden<CompressionChainedPayload>({.flags = CompressionFlags::kChained, .payload = kGoldenData},
                                    "0000 0100 05000000 D1D2D3D4D5");
  golden<CompressionPatternPayloadV1>({.pattern = 0x2A, .repetitions = 0x04030201},
                                      "2A (000000) 01020304");
  golden<Smb1NegotiateRequest>(
      {.flags2 = 0x0201, .process_id = 0x1211, .multiplex_id = 0x2221, .dialects = {"AB", "C"}},
      "FF534D42 72 (00000000 00) 0102 (0000 0000000000000000 0000 0000) 1112 (0000) 2122"
      "00 0700 02 4142 00 02 43 00");
}

TEST(Golden, BodiesOfASizeAlone) {
  golden_body<CancelRequest>({}, "0400 (0000)");
  golden_body<EchoRequest>({}, "0400 (0000)");
  golden_body<EchoResponse>({}, "0400 (0000)");
  golden_body<FlushResponse>({}, "0400 (0000)");
  golden_body<LockResponse>({}, "0400 (0000)");
  golden_body<LogoffRequest>({}, "0400 (0000)");
  golden_body<LogoffResponse>({}, "0400 (0000)");
  golden_body<TreeDisconnectRequest>({}, "0400 (0000)");
  golden_body<TreeDisconnectResponse>({}, "0400 (0000)");
  golden_body<SetInfoResponse>({}, "0200");
  // Senders disagree about its size.
  golden<ServerToClientNotification>({static_cast<NotificationType>(0x04030201)},
                                     "(0C00) (0000) 01020304 (00000000)", Header::kSize);
}

TEST(Golden, SessionsAndTrees) {
  golden_body<SessionSetupRequest>({.flags = 0x02,
                                    .security_mode = 0x03,
                                    .capabilities = 0x14131211,
                                    .channel = 0x24232221,
                                    .previous_session_id = {0x3837363534333231},
                                    .security_buffer = kGoldenData},
                                   "1900 02 03 11121314 21222324 5800 0500 3132333435363738"
                                   "D1D2D3D4D5");
  golden_body<SessionSetupRequest>(
      {.flags = 0x02}, "1900 02 00 00000000 00000000 (5800) 0000 0000000000000000 | (00)");
  golden_body<SessionSetupResponse>({.session_flags = 0x0201, .security_buffer = kGoldenData},
                                    "0900 0102 4800 0500 D1D2D3D4D5");
  golden_body<TreeConnectRequest>(
      {.flags = TreeConnectRequest::kFlagClusterReconnect, .path = "\\\\s\\x"},
      "0900 0100 4800 0A00 5C005C0073005C007800");
  golden_body<TreeConnectRequest>({}, "0900 0000 (4800) 0000 | (00)");
  golden_body<TreeConnectRequest>(
      {.flags = TreeConnectRequest::kFlagExtensionPresent,
       .path = "\\\\s\\x",
       .contexts = {{.context_type = 0x0201, .data = kGoldenData},
                    {.context_type = 0x0403, .data = ByteView(kGoldenData).first(2)}}},
      "0900 0400 5800 0A00 28000000 0200 (00000000000000000000) 5C005C0073005C007800 (000000000000)"
      "0102 0500 (00000000) D1D2D3D4D5 (000000) 0304 0200 (00000000) D1D2");
  golden_body<TreeConnectResponse>({.share_type = ShareType::kPrint,
                                    .share_flags = 0x04030201,
                                    .capabilities = 0x14131211,
                                    .maximal_access = 0x24232221},
                                   "1000 03 (00) 01020304 11121314 21222324");
}

TEST(Golden, FilesAndLocks) {
  golden_body<CloseRequest>({.flags = 0x0201, .file_id = kGoldenFile},
                            "1800 0102 (00000000) F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8");
  golden_body<CloseResponse>({.flags = 0x0201,
                              .creation_time = {0x1817161514131211},
                              .last_access_time = {0x2827262524232221},
                              .last_write_time = {0x3837363534333231},
                              .change_time = {0x4847464544434241},
                              .allocation_size = 0x5857565554535251,
                              .end_of_file = 0x6867666564636261,
                              .file_attributes = 0x74737271},
                             "3C00 0102 (00000000) 1112131415161718 2122232425262728"
                             "3132333435363738 4142434445464748 5152535455565758 6162636465666768"
                             "71727374");
  golden_body<FlushRequest>({.file_id = kGoldenFile},
                            "1800 (0000 00000000) F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8");
  golden_body<LockRequest>({.lock_sequence_number = 0x5,
                            .lock_sequence_index = 0x0432A1B,
                            .file_id = kGoldenFile,
                            .locks = {{0x1817161514131211, 0x2827262524232221, 0x34333231},
                                      {0x5857565554535251, 0x6867666564636261, 0x74737271}}},
                           "3000 0200 B5A13204 F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8"
                           "1112131415161718 2122232425262728 31323334 (00000000)"
                           "5152535455565758 6162636465666768 71727374 (00000000)");
}

TEST(Golden, OplockBreaks) {
  const OplockBreakBody oplock{OplockLevel::kBatch, kGoldenFile};
  constexpr std::string_view kOplock = "1800 09 (00 00000000) F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8";
  golden_body<OplockBreakNotification>({oplock}, kOplock);
  golden_body<OplockBreakAcknowledgment>({oplock}, kOplock);
  golden_body<OplockBreakResponse>({oplock}, kOplock);
  golden_body<LeaseBreakNotification>(
      {.new_epoch = 0x0201,
       .flags = 0x14131211,
       .lease_key = id_from<LeaseKey>(0xA0),
       .current_lease_state = 0x24232221,
       .new_lease_state = 0x34333231},
      "2C00 0102 11121314 A0A1A2A3A4A5A6A7A8A9AAABACADAEAF 21222324 31323334"
      "(00000000 00000000 00000000)");
  const LeaseBreakBody lease{0x14131211, id_from<LeaseKey>(0xA0), 0x24232221};
  constexpr std::string_view kLease =
      "2400 (0000) 11121314 A0A1A2A3A4A5A6A7A8A9AAABACADAEAF 21222324 (0000000000000000)";
  golden_body<LeaseBreakAcknowledgment>({lease}, kLease);
  golden_body<LeaseBreakResponse>({lease}, kLease);
}

TEST(Golden, ReadsAndWrites) {
  golden_body<ReadRequest>({.padding = 0x51,
                            .flags = 0x02,
                            .length = 0x14131211,
                            .offset = 0x2827262524232221,
                            .file_id = kGoldenFile,
                            .minimum_count = 0x34333231,
                            .channel = Channel::kRdmaV1Invalidate,
                            .remaining_bytes = 0x44434241,
                            .read_channel_info = kGoldenData},
                           "3100 51 02 11121314 2122232425262728 F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8"
                           "31323334 02000000 41424344 7000 0500 D1D2D3D4D5");
  // That a channel's descriptor is ignored without one: the two 0000 of the request.
  golden_body<ReadRequest>({.padding = 0x51, .file_id = kGoldenFile},
                           "3100 51 00 00000000 0000000000000000 F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8"
                           "00000000 00000000 00000000 (0000 0000) | (00)");
  golden_body<ReadResponse>(
      {.data_remaining = 0x14131211, .flags = 0x24232221, .data = kGoldenData},
      "1100 50 (00) 05000000 11121314 21222324 D1D2D3D4D5");
  golden_body<WriteRequest>(
      {.offset = 0x2827262524232221,
       .file_id = kGoldenFile,
       .remaining_bytes = 0x44434241,
       .flags = 0x54535251,
       .data = kGoldenData},
      "3100 7000 05000000 2122232425262728 F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8 00000000 41424344"
      "(0000 0000) 51525354 D1D2D3D4D5");
  golden_body<WriteRequest>(
      {.offset = 0x2827262524232221,
       .file_id = kGoldenFile,
       .channel = Channel::kRdmaV1Invalidate,
       .remaining_bytes = 0x44434241,
       .flags = 0x54535251,
       .write_channel_info = kGoldenData},
      "3100 0000 00000000 2122232425262728 F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8 02000000 41424344"
      "7000 0500 51525354 D1D2D3D4D5");
  golden_body<WriteResponse>({.count = 0x14131211, .remaining = 0x24232221},
                             "1100 (0000) 11121314 21222324 (0000 0000)");
}

TEST(Golden, Ioctl) {
  golden_body<IoctlRequest>({.ctl_code = Fsctl::kPipeWait,
                             .file_id = kGoldenFile,
                             .input = kGoldenData,
                             .max_input_response = 0x14131211,
                             .output = ByteView(kGoldenData).first(2),
                             .max_output_response = 0x24232221,
                             .flags = 0x34333231},
                            "3900 (0000) 18001100 F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8"
                            "78000000 05000000 11121314 80000000 02000000 21222324 31323334"
                            "(00000000) D1D2D3D4D5 (000000) D1D2");
  golden_body<IoctlRequest>({.ctl_code = Fsctl::kPipeWait},
                            "3900 (0000) 18001100 0000000000000000 0000000000000000"
                            "(78000000) 00000000 00000000 (00000000) 00000000 00000000 00000000"
                            "(00000000) | (00)");
  golden_body<IoctlResponse>({.ctl_code = Fsctl::kPipeWait,
                              .file_id = kGoldenFile,
                              .input = kGoldenData,
                              .output = ByteView(kGoldenData).first(2),
                              .flags = 0x34333231},
                             "3100 (0000) 18001100 F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8"
                             "70000000 05000000 78000000 02000000 31323334 (00000000)"
                             "D1D2D3D4D5 (000000) D1D2");
}

TEST(Golden, DirectoriesAndInformation) {
  golden_body<QueryDirectoryRequest>({.file_information_class = 0x25,
                                      .flags = 0x12,
                                      .file_index = 0x14131211,
                                      .file_id = kGoldenFile,
                                      .file_name = "a*",
                                      .output_buffer_length = 0x24232221},
                                     "2100 25 12 11121314 F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8"
                                     "6000 0400 21222324 61002A00");
  golden_body<QueryDirectoryRequest>({},
                                     "2100 00 00 00000000 0000000000000000 0000000000000000"
                                     "(6000) 0000 00000000 | (00)");
  golden_body<QueryDirectoryResponse>({.output_buffer = kGoldenData},
                                      "0900 4800 05000000 D1D2D3D4D5");
  golden_body<ChangeNotifyRequest>({.flags = 0x0201,
                                    .output_buffer_length = 0x14131211,
                                    .file_id = kGoldenFile,
                                    .completion_filter = 0x24232221},
                                   "2000 0102 11121314 F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8 21222324"
                                   "(00000000)");
  golden_body<ChangeNotifyResponse>({.output_buffer = kGoldenData},
                                    "0900 4800 05000000 D1D2D3D4D5");
  golden_body<QueryInfoRequest>({.info_type = InfoType::kQuota,
                                 .file_info_class = 0x21,
                                 .output_buffer_length = 0x14131211,
                                 .additional_information = 0x24232221,
                                 .flags = 0x34333231,
                                 .file_id = kGoldenFile,
                                 .input_buffer = kGoldenData},
                                "2900 04 21 11121314 6800 (0000) 05000000 21222324 31323334"
                                "F1F2F3F4F5F6F7F8 E1E2E3E4E5E6E7E8 D1D2D3D4D5");
  golden_body<QueryInfoRequest>({.info_type = InfoType::kSecurity},
                                "2900 03 00 00000000 (0000 0000) 00000000 00000000 00000000"
                                "0000000000000000 0000000000000000 | (00)");
  golden_body<QueryInfoResponse>({.output_buffer = kGoldenData}, "0900 4800 05000000 D1D2D3D4D5");
  golden<QueryQuotaInfo>({.return_single = true,
                          .restart_scan = true,
                          .sid_list_length = 0x14131211,
                          .start_sid_length = 0x24232221,
                          .start_sid_offset = 0x34333231,
                          .sid_buffer = kGoldenData},
                         "01 01 (0000) 11121314 21222324 31323334 | D1D2D3D4D5");
  golden_body<SetInfoRequest>({.info_type = InfoType::kQuota,
                               .file_info_class = 0x21,
                               .additional_information = 0x14131211,
                               .file_id = kGoldenFile,
                               .buffer = kGoldenData},
                              "2100 04 21 05000000 6000 (0000) 11121314 F1F2F3F4F5F6F7F8"
                              "E1E2E3E4E5E6E7E8 D1D2D3D4D5");
  golden_body<SetInfoRequest>({.file_id = kGoldenFile},
                              "2100 01 00 00000000 (6000 0000) 00000000 F1F2F3F4F5F6F7F8"
                              "E1E2E3E4E5E6E7E8 | (00)");
}

TEST(Golden, Errors) {
  golden_body<ErrorResponse>({.error_data = kGoldenData}, "0900 00 (00) 05000000 D1D2D3D4D5");
  golden_body<ErrorResponse>({}, "0900 00 (00) 00000000 | (00)");
  golden_body<ErrorResponse>(
      {.error_contexts = {{.error_id = static_cast<ErrorId>(0x14131211),
                           .error_context_data = kGoldenData},
                          {.error_id = ErrorId::kShareRedirect,
                           .error_context_data = ByteView(kGoldenData).first(2)}}},
      "0900 02 (00) 1A000000 05000000 11121314 D1D2D3D4D5 (000000) 02000000 53526472 D1D2");
  golden<SymbolicLinkErrorResponse>(
      {.unparsed_path_length = 0x0201,
       .flags = 0x14131211,
       .substitute_name = "ab",
       .print_name = "c"},
      "(1E000000) 53594D4C 0C0000A0 (1200) 0102 0000 0400 0400 0200 11121314 61006200 6300");
}

}  // namespace
}  // namespace braid::wire
