// The messages without a test file of their own.
#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/fscc/quota.h"
#include "wire/smb2/captures_testing.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/close.h"
#include "wire/smb2/codec_testing.h"
#include "wire/smb2/header.h"
#include "wire/smb2/lock.h"
#include "wire/smb2/query_directory.h"
#include "wire/smb2/query_info.h"
#include "wire/smb2/server_to_client_notification.h"
#include "wire/smb2/session_setup.h"
#include "wire/smb2/set_info.h"
#include "wire/smb2/tree_connect.h"

namespace braid::wire {
namespace {

TEST(SessionSetup, SmbclientSendsATokenAndSmbdAnswers) {
  const Bytes message = unhex(captures::kSessionSetupRequest);
  const auto request = decode_body<SessionSetupRequest>(message);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->flags, 0);
  EXPECT_EQ(request->security_mode, 1);
  EXPECT_EQ(request->security_buffer[0], 0x60);
  const Bytes answer = unhex(captures::kSessionSetupResponse);
  const auto response = decode_body<SessionSetupResponse>(answer);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->session_flags, 0);
  EXPECT_EQ(response->security_buffer.size(), 0x1Du);
}

TEST(TreeConnect, SmbclientNamesTheShare) {
  const auto request = decode_body<TreeConnectRequest>(unhex(captures::kTreeConnectRequest));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->path, R"(\\127.0.0.1\IPC$)");
  const auto response = decode_body<TreeConnectResponse>(unhex(captures::kTreeConnectResponse));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->share_type, ShareType::kPipe);
  EXPECT_EQ(response->maximal_access, 0x001F00A9u);
}

TEST(TreeConnect, ExtensionGoesBothWays) {
  const Bytes identity = unhex("0102030405060708");
  TreeConnectRequest request;
  request.flags = TreeConnectRequest::kFlagExtensionPresent;
  request.path = R"(\\s\x)";
  request.contexts = {{TreeConnectContext::kRemotedIdentity, identity}};
  const Bytes message = encode_body(request);
  const auto again = decode_body<TreeConnectRequest>(message);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->path, request.path);
  ASSERT_EQ(again->contexts.size(), 1u);
  EXPECT_EQ(again->contexts[0].data.size(), identity.size());
  EXPECT_EQ(encode_body(*again), message);
}

TEST(Lock, SmbtortureLocksOneRange) {
  const auto request = decode_body<LockRequest>(unhex(captures::kLockRequest));
  ASSERT_TRUE(request);
  ASSERT_EQ(request->locks.size(), 1u);
  EXPECT_EQ(request->locks[0], (LockElement{0, 100, LockFlags::kSharedLock}));
}

TEST(Lock, SequenceNumberIsTheLowFourBits) {
  LockRequest request;
  request.lock_sequence_number = 5;
  request.lock_sequence_index = 64;
  request.locks.resize(1);
  const Bytes message = encode_body(request);
  EXPECT_EQ(message[Header::kSize + 4], 0x05);
  EXPECT_EQ(message[Header::kSize + 5], 0x04);
  EXPECT_EQ(decode_body<LockRequest>(message)->lock_sequence_index, 64u);
}

TEST(Lock, MoreLocksThanBytesIsTruncated) {
  Bytes message = unhex(captures::kLockRequest);
  message[Header::kSize + 2] = 2;
  EXPECT_EQ(decode_body<LockRequest>(message).error(), Error::truncated());
}

TEST(QueryDirectory, SmbclientAsksForEverything) {
  const auto request = decode_body<QueryDirectoryRequest>(unhex(captures::kQueryDirectoryRequest));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->file_name, "*");
  EXPECT_EQ(request->file_information_class, 0x25);
}

TEST(ChangeNotify, SmbtortureWatchesATree) {
  const auto request = decode_body<ChangeNotifyRequest>(unhex(captures::kChangeNotifyRequest));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->flags, ChangeNotifyRequest::kFlagWatchTree);
  EXPECT_EQ(request->completion_filter, CompletionFilter::kFileName | CompletionFilter::kDirName);
  EXPECT_EQ(request->output_buffer_length, 20000u);
}

TEST(QueryInfo, SmbclientAsksForTheFilesystem) {
  const auto request = decode_body<QueryInfoRequest>(unhex(captures::kQueryInfoRequest));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->info_type, InfoType::kFilesystem);
  EXPECT_EQ(request->file_info_class, 3);
}

TEST(QueryInfo, InputInsideTheHeaderIsMalformed) {
  const Bytes input = unhex("01020304");
  QueryInfoRequest request;
  request.input_buffer = input;
  Bytes message = encode_body(request);
  message[Header::kSize + 8] = 0x10;
  EXPECT_EQ(decode_body<QueryInfoRequest>(message).error(), Error::malformed());
}

TEST(SetInfo, SmbclientRenames) {
  const Bytes message = unhex(captures::kSetInfoRequest);
  const auto request = decode_body<SetInfoRequest>(message);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->file_info_class, 10);
  EXPECT_EQ(request->buffer.size(), 30u);
}

// [MS-SMB2] 4.5 "Reading from a Remote File".
TEST(Close, ExampleWithAttributesGoesBothWays) {
  CloseResponse response;
  response.flags = CloseFlags::kPostqueryAttrib;
  response.creation_time = {0x1C6A6C1CC0B9280};
  response.last_access_time = {0x1C6A6C259FE5140};
  response.last_write_time = {0x1C6A6C24D51DF20};
  response.change_time = {0x1C6A6C24D51DF20};
  response.file_attributes = 0x10;
  Bytes out;
  Writer w(out);
  response.encode(w);
  EXPECT_EQ(out, unhex("3C00 0100 00000000 80920BCCC1A6C601 4051FE59C2A6C601 20DF514DC2A6C601"
                       "20DF514DC2A6C601 0000000000000000 0000000000000000 10000000"));
  Reader r(out);
  EXPECT_EQ(CloseResponse::decode(r)->creation_time, response.creation_time);
}

TEST(Messages, WrongStructureSizeIsMalformed) {
  for (std::string_view capture : {captures::kLockRequest, captures::kCloseRequest}) {
    Bytes message = unhex(capture);
    message[Header::kSize] ^= 0x80;
    EXPECT_EQ(decode_body<LockRequest>(message).error(), Error::malformed());
    EXPECT_EQ(decode_body<CloseRequest>(message).error(), Error::malformed());
  }
}

TEST(ServerToClientNotification, GoesBothWays) {
  const Bytes message = encode_body(ServerToClientNotification{});
  EXPECT_EQ(Bytes(message.begin() + Header::kSize, message.end()),
            unhex("0C00 0000 00000000 00000000"));
  EXPECT_EQ(decode_body<ServerToClientNotification>(message)->notification_type,
            NotificationType::kSmbNotifySessionClosed);
}

TEST(TreeConnect, AsManyContextsAsTheLimitAreTaken) {
  TreeConnectRequest request;
  request.flags = TreeConnectRequest::kFlagExtensionPresent;
  request.contexts.resize(TreeConnectRequest::kContextsMax);
  EXPECT_EQ(decode_body<TreeConnectRequest>(encode_body(request)).value().contexts.size(),
            size_t{TreeConnectRequest::kContextsMax});
  request.contexts.emplace_back();
  EXPECT_EQ(decode_body<TreeConnectRequest>(encode_body(request)).error(), Error::malformed());
}

TEST(TreeConnect, ContextsWithinTheExtensionAreMalformed) {
  TreeConnectRequest request;
  request.flags = TreeConnectRequest::kFlagExtensionPresent;
  request.contexts.resize(1);
  Bytes message = encode_body(request);
  ASSERT_EQ(message[Header::kSize + 8], 24);  // right behind the fixed part
  EXPECT_TRUE(decode_body<TreeConnectRequest>(message));
  message[Header::kSize + 8] = 23;
  EXPECT_EQ(decode_body<TreeConnectRequest>(message).error(), Error::malformed());
}

// Two SIDs of 16 bytes, each in an entry of 24, and then one that is where to start.
TEST(QueryQuota, ListOfSidsIsTakenByItsLengthAndTheStartByItsPlace) {
  const Bytes list = encode_quota_sids({sids::kAdministrators, sids::kUsers});
  ASSERT_EQ(list.size(), 48u);
  QueryQuotaInfo info;
  info.sid_buffer = list;
  info.sid_list_length = 48;
  EXPECT_EQ(info.sid_list().value(), (std::vector{sids::kAdministrators, sids::kUsers}));
  EXPECT_EQ(info.start_sid().value(), std::nullopt);
  for (const uint32_t length : {45u, 46u, 47u}) {
    info.sid_list_length = length;
    EXPECT_EQ(info.sid_list().error(), Error::malformed()) << length;
  }
  for (const uint32_t length : {49u, 52u}) {
    info.sid_list_length = length;
    EXPECT_EQ(info.sid_list().error(), Error::truncated()) << length;
  }
  info.sid_list_length = 0;
  EXPECT_TRUE(info.sid_list().value().empty());
  info.start_sid_offset = 32;
  info.start_sid_length = 16;
  EXPECT_EQ(info.start_sid().value(), sids::kUsers);
  info.start_sid_length = 17;
  EXPECT_EQ(info.start_sid().error(), Error::truncated());
  info.start_sid_length = 15;
  EXPECT_EQ(info.start_sid().error(), Error::truncated());
  info.start_sid_offset = 8;
  info.start_sid_length = 20;  // and four more
  EXPECT_EQ(info.start_sid().error(), Error::malformed());
}

}  // namespace
}  // namespace braid::wire
